-- Writes a dead letter, which may be there: tenant, group, position, topic, key, what joins it, why, attempts, since,
-- whether it is redriven.
INSERT INTO dead_letters (
    tenant, name, position, topic, key, joined_by, why, attempts, since_ms, is_redriven
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (tenant, name, position) DO UPDATE
SET topic = excluded.topic,
    key = excluded.key,
    joined_by = excluded.joined_by,
    why = excluded.why,
    attempts = excluded.attempts,
    since_ms = excluded.since_ms,
    is_redriven = excluded.is_redriven
