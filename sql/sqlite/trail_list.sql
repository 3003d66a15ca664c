-- Returns rows of the trail in their order: tenant or null, act or null, earliest time, time before
-- which they are, time and number after which they are, how many at most.
SELECT time_ms, printf('%020d', number) AS word, who, issuer, tenant, act, object, reason, request_id
FROM trail
WHERE (?1 IS NULL OR tenant = ?1)
    AND (?2 IS NULL OR act = ?2)
    AND time_ms >= ?3 AND time_ms < ?4
    AND (time_ms, number) > (?5, ?6)
ORDER BY time_ms, number
LIMIT ?7
