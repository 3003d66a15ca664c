-- All lanes, and who holds each now; nobody is an empty name. A lease that was given at a time that is yet to
-- come has run out: so in all of these statements. A second is forgiven.
SELECT lane,
    CASE WHEN holder IS NOT NULL AND expires_ms > ?1 AND expires_ms <= ?1 + ttl_ms + 1000 THEN holder ELSE '' END
        AS holder,
    term
FROM leases
ORDER BY lane
