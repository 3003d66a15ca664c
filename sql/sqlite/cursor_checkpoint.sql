-- Writes the checkpoint of a cursor that a sink owns, unless a later holder of the lane wrote it.
INSERT INTO cursors (tenant, follower, log_id, position, event_id, time_ms, term)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, follower) DO UPDATE SET
    term = excluded.term,
    log_id = excluded.log_id,
    position = excluded.position,
    event_id = excluded.event_id,
    time_ms = excluded.time_ms
WHERE cursors.term <= excluded.term
