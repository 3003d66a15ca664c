-- Counts the events of a scope. Takes the tenant, the follower, the event and the log; then the position up
-- to which they are counted and their number.
UPDATE parked
SET counted_to = ?5, events = ?6
WHERE tenant = ?1 AND follower = ?2 AND event_id = ?3 AND log_id = ?4
