-- Empties the first events of a record that have content: tenant, key, the position after which they
-- stand, the record's topics, how many. Returns how many there were, and the last position.
WITH next AS (
    SELECT position
    FROM events
    WHERE tenant = $1 AND key = $2 AND position > $3 AND topic = ANY($4)
        AND erased_ms IS NULL AND type <> 'ERASED'
    ORDER BY position
    LIMIT $5
), emptied AS (
    UPDATE events
    SET payload = 'null', headers = '[]', erased_ms = now_ms()
    FROM next
    WHERE events.tenant = $1 AND events.position = next.position
    RETURNING events.position
)
SELECT count(*) AS events, max(position) AS erased_to FROM emptied
