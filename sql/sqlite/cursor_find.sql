-- Finds one follower's checkpoint in a tenant's log.
SELECT log_id, position, event_id, time_ms
FROM cursors
WHERE tenant = ? AND follower = ?
