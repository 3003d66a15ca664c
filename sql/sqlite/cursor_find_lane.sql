-- Finds one follower's checkpoints in all logs of a lane.
SELECT tenant, cursors.log_id, position, event_id, time_ms
FROM tenants JOIN cursors USING (tenant)
WHERE lane = ? AND follower = ?
ORDER BY tenant
