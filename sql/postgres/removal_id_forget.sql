-- Forgets the ids of removed events that are older than a time, among the first of them, since
-- times rise with positions: tenant, time, how many at most.
WITH old AS (
    DELETE FROM removed_ids
    WHERE tenant = $1 AND position IN (
        SELECT position
        FROM (
            SELECT position, time_ms FROM removed_ids WHERE tenant = $1 ORDER BY position LIMIT $3
        ) AS first
        WHERE time_ms < $2
    )
    RETURNING event_id
), forgotten AS (
    DELETE FROM idempotency
    USING old
    WHERE idempotency.tenant = $1 AND idempotency.event_id = old.event_id
)
SELECT count(*) AS events FROM old
