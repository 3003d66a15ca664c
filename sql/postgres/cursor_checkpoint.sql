-- Writes checkpoints of cursors that a sink owns, unless the log lacks the event, or a later holder of
-- the lane wrote them: the follower, the term, then arrays of tenants, each once, and of cursors.
-- Returns how many a later holder wrote. They are written in the order of their tenants, so that
-- two writers of the same rows don't lock each other out.
WITH stands AS (
    SELECT tenant, log_id::uuid, position, event_id::uuid, time_ms
    FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
        AS stands (tenant, log_id, position, event_id, time_ms)
), known AS (
    SELECT * FROM stands
    WHERE position = 0 OR EXISTS (
        SELECT FROM events
        WHERE events.tenant = stands.tenant AND events.position = stands.position
            AND events.event_id = stands.event_id AND events.time_ms = stands.time_ms
    )
), written AS (
    INSERT INTO cursors (tenant, follower, term, log_id, position, event_id, time_ms)
    SELECT tenant, $1, $2, log_id, position, event_id, time_ms FROM known
    ORDER BY tenant
    ON CONFLICT (tenant, follower) DO UPDATE SET
        term = excluded.term,
        log_id = excluded.log_id,
        position = excluded.position,
        event_id = excluded.event_id,
        time_ms = excluded.time_ms
    WHERE cursors.term <= excluded.term
    RETURNING tenant
)
SELECT (SELECT count(*) FROM known) - (SELECT count(*) FROM written) AS later
