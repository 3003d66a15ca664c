-- Lists the replicas that run now.
SELECT replica
FROM replicas
WHERE expires_ms > ?1 AND expires_ms <= ?1 + ttl_ms + 1000
ORDER BY replica
