-- Removes events of a topic: tenant, an array of positions, topic, the time before which their ids
-- are forgotten with them. Younger ids are noted, to be forgotten later.
WITH removed AS (
    DELETE FROM events
    WHERE tenant = $1 AND position = ANY($2) AND topic = $3
    RETURNING event_id, position, time_ms
), forgotten AS (
    DELETE FROM idempotency
    USING removed
    WHERE idempotency.tenant = $1 AND idempotency.event_id = removed.event_id AND removed.time_ms < $4
), noted AS (
    INSERT INTO removed_ids (tenant, position, event_id, time_ms)
    SELECT $1, position, event_id, time_ms FROM removed WHERE time_ms >= $4
)
SELECT count(*) AS events FROM removed
