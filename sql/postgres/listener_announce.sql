-- Announces a listener for Kafka's clients for a while, unless another one has its number: number, run,
-- host, port, milliseconds. Only PostgreSQL: an SQLite store has one listener.
INSERT INTO listeners AS present (node, instance, host, port, expires_ms, ttl_ms)
VALUES ($1, $2, $3, $4, now_ms() + $5, $5)
ON CONFLICT (node)
DO UPDATE SET instance = excluded.instance, host = excluded.host, port = excluded.port,
    expires_ms = excluded.expires_ms, ttl_ms = excluded.ttl_ms
WHERE present.instance = excluded.instance OR NOT lasts(present.expires_ms, present.ttl_ms)
