-- Forgets a sink that no replica is configured with any more: follower.
DELETE FROM sinks WHERE follower = ?1
