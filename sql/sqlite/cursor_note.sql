-- A cursor whose truth is kept elsewhere.
INSERT INTO cursors (tenant, follower, log_id, position, event_id)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, follower)
DO UPDATE SET log_id = excluded.log_id, position = excluded.position, event_id = excluded.event_id
