-- Counts the events that a follower has not come to, and tells when the oldest of them was appended: follower.
SELECT
    coalesce(sum(heads.position - greatest(cursors.position, incarnations.start - 1)), 0)::bigint AS events,
    min(oldest.time_ms) AS oldest_ms,
    now_ms() AS now_ms
FROM heads
JOIN tenants USING (tenant)
JOIN incarnations ON incarnations.tenant = heads.tenant AND incarnations.number = 1
LEFT JOIN cursors
    ON cursors.tenant = heads.tenant AND cursors.log_id = tenants.log_id AND follower = $1
LEFT JOIN LATERAL (
    SELECT time_ms
    FROM events
    WHERE events.tenant = heads.tenant AND events.position > greatest(cursors.position, incarnations.start - 1)
    ORDER BY events.tenant, events.position
    LIMIT 1
) AS oldest ON TRUE
WHERE heads.position > greatest(cursors.position, incarnations.start - 1)
