-- Who is there now.
SELECT replica
FROM replicas
WHERE expires_ms > ?
ORDER BY replica
