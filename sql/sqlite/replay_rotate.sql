-- Moves the open replays of a log to its new id, none of them past a position: tenant, old id, new id, position. The
-- minimum of a null is null.
UPDATE replays
SET log_id = ?3,
    position = min(position, ?4),
    until = min(until, ?4),
    closing = min(closing, ?4)
WHERE tenant = ?1 AND log_id = ?2 AND ended_ms IS NULL
