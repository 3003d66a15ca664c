-- Removes some parked scopes of a tenant that is purged: tenant, how many at most.
DELETE FROM parked
WHERE (tenant, follower, event_id) IN (SELECT tenant, follower, event_id FROM parked WHERE tenant = ?1 LIMIT ?2)
