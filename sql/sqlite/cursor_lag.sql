-- Counts the events that a follower has not come to, and tells when the oldest of them was appended: follower.
SELECT
    coalesce(sum(heads.position - coalesce(cursors.position, 0)), 0) AS events,
    min(events.time_ms) AS oldest_ms
FROM heads
JOIN tenants USING (tenant)
LEFT JOIN cursors
    ON cursors.tenant = heads.tenant AND cursors.log_id = tenants.log_id AND follower = ?1
LEFT JOIN events
    ON events.tenant = heads.tenant AND events.position = coalesce(cursors.position, 0) + 1
WHERE heads.position > coalesce(cursors.position, 0)
