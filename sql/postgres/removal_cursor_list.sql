-- Lists the checkpoints of all followers in a tenant's log: tenant.
SELECT follower, log_id::text, position, uuid_send(event_id) AS event_id, time_ms
FROM cursors
WHERE tenant = $1
ORDER BY follower
