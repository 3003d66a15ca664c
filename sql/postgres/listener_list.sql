-- Lists the listeners that are announced. Only PostgreSQL: an SQLite store has one listener.
SELECT node, instance, host, port
FROM listeners
WHERE lasts(expires_ms, ttl_ms)
ORDER BY node
