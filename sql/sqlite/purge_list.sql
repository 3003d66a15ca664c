-- Lists the purges that are under way, each once for each sink that has passed it, or once.
SELECT tenant, log_id, lane, started_ms, takes_all, follower, removed
FROM purges LEFT JOIN purge_passes USING (tenant)
WHERE ended_ms IS NULL
ORDER BY started_ms, tenant, follower
