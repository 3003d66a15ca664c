-- Parks a scope again whose release was refused. Takes the tenant, the follower, the event, the log and the
-- transition's number; then the cause and the position up to which it was released.
UPDATE parked
SET state = 'parked', requested = NULL, cause = $6, released_to = $7, ledger = $5
WHERE tenant = $1 AND follower = $2 AND event_id = $3::uuid AND log_id = $4::uuid
