-- Moves the open replays of a log to its new id, none of them past a position: tenant, old id, new id, position.
-- The least of a null and a number is that number, so nulls are asked for.
UPDATE replays
SET log_id = $3::uuid,
    position = least(position, $4),
    until = CASE WHEN until IS NULL THEN NULL ELSE least(until, $4) END,
    closing = CASE WHEN closing IS NULL THEN NULL ELSE least(closing, $4) END
WHERE tenant = $1 AND log_id = $2::uuid AND ended_ms IS NULL
