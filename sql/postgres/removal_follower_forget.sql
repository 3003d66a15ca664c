-- Forgets a follower's checkpoints, of one log or all: follower, tenant or null.
DELETE FROM cursors WHERE follower = $1 AND ($2::text IS NULL OR tenant = $2)
