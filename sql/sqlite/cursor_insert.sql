-- A cursor where none stands.
INSERT INTO cursors (tenant, follower, log_id, position, event_id)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, follower) DO NOTHING
