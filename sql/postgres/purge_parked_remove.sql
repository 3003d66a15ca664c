-- Removes some parked scopes of a tenant that is purged: tenant, how many at most.
DELETE FROM parked
WHERE ctid = ANY(ARRAY(SELECT ctid FROM parked WHERE tenant = $1 LIMIT $2))
