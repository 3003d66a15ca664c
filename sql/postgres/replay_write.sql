-- Writes the progress of a replay, unless a later holder of its lane has claimed it, or its number is that of another by
-- now, since the tenant was purged: tenant, number, term, the progress, id.
UPDATE replays
SET position = $4,
    sent_events = $5,
    sent_bytes = $6,
    skipped = $7,
    refused = $8,
    closing = $9,
    cause = $10,
    outcome = $11,
    ended_ms = $12
WHERE tenant = $1 AND number = $2 AND term <= $3 AND id = $13::uuid
