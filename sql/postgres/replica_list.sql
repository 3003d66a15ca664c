-- Lists the replicas that run now.
SELECT replica
FROM replicas
WHERE lasts(expires_ms, ttl_ms)
ORDER BY replica
