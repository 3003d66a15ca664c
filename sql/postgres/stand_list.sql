-- Lists the sinks that are known, and those that have a checkpoint in a tenant's log, each with its
-- checkpoint if it has one: tenant.
SELECT follower, log_id::text AS log_id, position, uuid_send(event_id) AS event_id, time_ms
FROM (SELECT follower FROM sinks UNION SELECT follower FROM cursors WHERE tenant = $1) AS known
LEFT JOIN (SELECT * FROM cursors WHERE tenant = $1) AS own USING (follower)
ORDER BY follower
