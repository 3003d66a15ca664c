-- Moves the scopes that the relay has parked up to a position to the log's new id: tenant, old id,
-- new id, position.
UPDATE parked
SET log_id = ?3
WHERE tenant = ?1 AND log_id = ?2 AND position <= ?4 AND follower = 'relay'
