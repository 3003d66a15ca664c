-- Forgets a follower's checkpoints: follower.
DELETE FROM cursors WHERE follower = $1
