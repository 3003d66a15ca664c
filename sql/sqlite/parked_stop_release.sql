-- Parks a scope again whose release has to wait. Takes the tenant, the follower, the event, the log and the
-- transition's number.
UPDATE parked
SET state = 'parked', requested = NULL, ledger = ?5
WHERE tenant = ?1 AND follower = ?2 AND event_id = ?3 AND log_id = ?4
