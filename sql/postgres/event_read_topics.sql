-- Reads a tenant's events of an array of at most eight topics after a position: at most so many
-- rows, and so many bytes of payload before the last one. Each topic is read in its order in the
-- index, and they are merged row by row: the order and the limit of each keep the planner from
-- sorting all that they have.
SELECT position, uuid_send(event_id) AS event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM (
    SELECT *, sum(octet_length(payload)) OVER before - octet_length(payload) AS bytes_before
    FROM (
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[1] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[2] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[3] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[4] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[5] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[6] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[7] AND position > $2 ORDER BY position LIMIT $3)
        UNION ALL
        (SELECT * FROM events WHERE tenant = $1 AND topic = ($5::text[])[8] AND position > $2 ORDER BY position LIMIT $3)
    ) AS of_topics
    WINDOW before AS (ORDER BY position ROWS UNBOUNDED PRECEDING)
    ORDER BY position
    LIMIT $3
) AS page
WHERE bytes_before < $4
ORDER BY position
