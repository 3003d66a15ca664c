-- Reads a tenant's events after a position: at most so many rows, and so many bytes of payload
-- before the last one.
SELECT position, uuid_send(event_id) AS event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM (
    SELECT *, sum(octet_length(payload)) OVER before - octet_length(payload) AS bytes_before
    FROM events
    WHERE tenant = $1 AND position > $2
    WINDOW before AS (ORDER BY position ROWS UNBOUNDED PRECEDING)
    ORDER BY position
    LIMIT $3
) AS page
WHERE bytes_before < $4
ORDER BY position
