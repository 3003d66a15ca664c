-- Raises the position up to which a scope is released. Takes the tenant, the follower, the event and the
-- log; then the position and the number of the events that are left.
UPDATE parked
SET released_to = ?5, events = ?6
WHERE tenant = ?1 AND follower = ?2 AND event_id = ?3 AND log_id = ?4
