-- Lists all lanes with their holders; a free lane has an empty name. A lease that was given at a
-- time in the future counts as expired, in all of these statements; a second is tolerated.
SELECT lane,
    CASE WHEN holder IS NOT NULL AND expires_ms > ?1 AND expires_ms <= ?1 + ttl_ms + 1000 THEN holder ELSE '' END
        AS holder,
    term
FROM leases
ORDER BY lane
