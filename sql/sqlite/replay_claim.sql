-- Claims an open replay for the holder of a lane's lease, so that no earlier holder writes it any more: tenant, number,
-- term.
UPDATE replays
SET term = ?3
WHERE tenant = ?1 AND number = ?2 AND term <= ?3 AND ended_ms IS NULL
RETURNING tenant, number, id, log_id, submitted_ms, plan, until, total, events_per_second,
    bytes_per_second, wish, wish_ms, position, sent_events, sent_bytes, skipped, refused, closing, cause, outcome,
    ended_ms
