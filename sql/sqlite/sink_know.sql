-- Notes that a replica is configured with a sink: follower.
INSERT INTO sinks (follower) VALUES (?1)
ON CONFLICT DO NOTHING
