-- A cursor where none stands.
INSERT INTO cursors (tenant, follower, log_id, position, event_id)
VALUES ($1, $2, $3::uuid, $4, $5::uuid)
ON CONFLICT (tenant, follower) DO NOTHING
