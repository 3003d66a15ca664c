-- Ends a scope that an operator gave up. Takes the tenant, the follower, the event, the log and the
-- transition's number; then the position at which it ended and the number of its events.
UPDATE parked
SET state = 'discarded', requested = NULL, ended = ?6, events = ?7, ledger = ?5
WHERE tenant = ?1 AND follower = ?2 AND event_id = ?3 AND log_id = ?4
