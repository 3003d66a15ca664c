-- Lists the purges that are under way, each once for each sink that has passed it, or once.
SELECT tenant, log_id::text AS log_id, lane, started_ms, takes_all::int::bigint AS takes_all, follower, removed::int::bigint AS removed
FROM purges LEFT JOIN purge_passes USING (tenant)
WHERE ended_ms IS NULL
ORDER BY started_ms, tenant, follower
