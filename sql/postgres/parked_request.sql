-- Writes a request to release or discard a parked scope, unless the scope has a request already:
-- request, reason, tenant, follower, event.
UPDATE parked
SET requested = $1, reason = $2
WHERE tenant = $3 AND follower = $4 AND event_id = $5::uuid AND state = 'parked' AND requested IS NULL
