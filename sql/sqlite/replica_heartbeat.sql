-- Registers that a replica runs until a time: its name, its run, the end, milliseconds.
INSERT INTO replicas (replica, instance, expires_ms, ttl_ms)
VALUES (?, ?, ?, ?)
ON CONFLICT (replica)
DO UPDATE SET instance = excluded.instance, expires_ms = excluded.expires_ms, ttl_ms = excluded.ttl_ms
