-- Lists the newest events of each key in a topic within a range, without their content: tenant,
-- topic, the last position before the range, the first after it, how many of each at most, an
-- array of keys.
SELECT newest.*
FROM unnest($6::text[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT position, key, type, time_ms
    FROM events
    WHERE tenant = $1 AND events.key = asked.key COLLATE "C" AND topic = $2
        AND position > $3 AND position < $4
    ORDER BY tenant DESC, key DESC, position DESC
    LIMIT $5
) AS newest
