-- Finds one follower's checkpoints in all logs of a lane.
SELECT tenant, cursors.log_id::text AS log_id, position, uuid_send(event_id) AS event_id, time_ms
FROM tenants JOIN cursors USING (tenant)
WHERE lane = $1 AND follower = $2
ORDER BY tenant
