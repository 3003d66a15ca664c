-- Which run of a replica is there: its name, now.
SELECT instance
FROM replicas
WHERE replica = ?1 AND expires_ms > ?2 AND expires_ms <= ?2 + ttl_ms + 1000
