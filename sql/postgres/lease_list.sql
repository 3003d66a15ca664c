-- Lists all lanes with their holders; a free lane has none.
SELECT lane, CASE WHEN lasts(expires_ms, ttl_ms) THEN holder END AS holder, term
FROM leases
ORDER BY lane
