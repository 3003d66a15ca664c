-- Who is there now.
SELECT replica
FROM replicas
WHERE lasts(expires_ms, ttl_ms)
ORDER BY replica
