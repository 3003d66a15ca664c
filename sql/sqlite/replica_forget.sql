-- Removes replicas that died a minute ago, or whose end lies too far in the future: now. Only
-- SQLite: PostgreSQL does this in its `replica_heartbeat`, in one statement.
DELETE FROM replicas
WHERE expires_ms < ?1 - 60000 OR expires_ms > ?1 + ttl_ms + 60000
