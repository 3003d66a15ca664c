-- Counts the events that a follower has not come to, and tells when the oldest of them was appended: follower.
SELECT
    coalesce(sum(heads.position - max(coalesce(cursors.position, 0), incarnations.start - 1)), 0) AS events,
    min((
        SELECT time_ms
        FROM events
        WHERE events.tenant = heads.tenant AND events.position > max(coalesce(cursors.position, 0), incarnations.start - 1)
        ORDER BY events.position
        LIMIT 1
    )) AS oldest_ms
FROM heads
JOIN tenants USING (tenant)
JOIN incarnations ON incarnations.tenant = heads.tenant AND incarnations.number = 1
LEFT JOIN cursors
    ON cursors.tenant = heads.tenant AND cursors.log_id = tenants.log_id AND follower = ?1
WHERE heads.position > max(coalesce(cursors.position, 0), incarnations.start - 1)
