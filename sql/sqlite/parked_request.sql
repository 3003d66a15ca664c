-- Writes a request to release or discard a parked scope, unless the scope has a request already:
-- request, reason, tenant, follower, event.
UPDATE parked
SET requested = ?, reason = ?
WHERE tenant = ? AND follower = ? AND event_id = ? AND state = 'parked' AND requested IS NULL
