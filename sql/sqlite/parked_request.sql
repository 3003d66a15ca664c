-- Requests that a parked scope is released or discarded, unless that was requested already: request,
-- reason, tenant, follower, event.
UPDATE parked
SET requested = ?, reason = ?
WHERE tenant = ? AND follower = ? AND event_id = ? AND state = 'parked' AND requested IS NULL
