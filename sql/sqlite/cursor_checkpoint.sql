-- Writes the checkpoint of a cursor that a sink owns, unless a later holder of the lane wrote it.
INSERT INTO cursors (tenant, follower, log_id, position, event_id, term)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, follower) DO UPDATE SET
    term = excluded.term,
    log_id = excluded.log_id,
    position = excluded.position,
    event_id = excluded.event_id
WHERE cursors.term <= excluded.term
