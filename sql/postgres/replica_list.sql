-- Who is there now.
SELECT replica
FROM replicas
WHERE expires_ms > now_ms()
ORDER BY replica
