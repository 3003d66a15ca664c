-- Lists all lanes with their holders; a free lane has none. A lease that was given at a
-- time in the future counts as expired, in all of these statements; a second is tolerated.
SELECT lane,
    CASE WHEN expires_ms > ?1 AND expires_ms <= ?1 + ttl_ms + 1000 THEN holder END AS holder,
    term
FROM leases
ORDER BY lane
