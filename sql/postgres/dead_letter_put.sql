-- Writes dead letters of a group, which may be there: tenant, group, arrays of positions, topics, keys, what joins
-- them, reasons, attempts, since when, whether they are redriven.
INSERT INTO dead_letters (
    tenant, name, position, topic, key, joined_by, why, attempts, since_ms, is_redriven
)
SELECT $1, $2, position, topic, key, joined_by, why, attempts, since_ms, is_redriven
FROM unnest(
    $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[]
) AS new (position, topic, key, joined_by, why, attempts, since_ms, is_redriven)
ON CONFLICT (tenant, name, position) DO UPDATE
SET topic = excluded.topic,
    key = excluded.key,
    joined_by = excluded.joined_by,
    why = excluded.why,
    attempts = excluded.attempts,
    since_ms = excluded.since_ms,
    is_redriven = excluded.is_redriven
