-- Finds one follower's checkpoint in a tenant's log.
SELECT log_id::text AS log_id, position, uuid_send(event_id) AS event_id, time_ms
FROM cursors
WHERE tenant = $1 AND follower = $2
