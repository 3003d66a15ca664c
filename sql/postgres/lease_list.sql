-- Lists all lanes with their holders; a free lane has an empty name.
SELECT lane, CASE WHEN holder IS NOT NULL AND lasts(expires_ms, ttl_ms) THEN holder ELSE '' END AS holder, term
FROM leases
ORDER BY lane
