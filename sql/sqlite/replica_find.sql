-- Finds the run of a replica that is registered: its name, now. Only SQLite: PostgreSQL does this
-- in its `replica_heartbeat`, in one statement.
SELECT instance
FROM replicas
WHERE replica = ?1 AND expires_ms > ?2 AND expires_ms <= ?2 + ttl_ms + 1000
