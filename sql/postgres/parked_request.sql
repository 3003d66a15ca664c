-- Requests that a parked scope is released or discarded, unless that was requested already: request,
-- reason, tenant, follower, event.
UPDATE parked
SET requested = $1, reason = $2
WHERE tenant = $3 AND follower = $4 AND event_id = $5::uuid AND state = 'parked' AND requested IS NULL
