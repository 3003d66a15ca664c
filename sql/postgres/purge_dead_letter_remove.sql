-- Removes some dead letters of a tenant that is purged: tenant, how many at most.
DELETE FROM dead_letters
WHERE ctid = ANY(ARRAY(SELECT ctid FROM dead_letters WHERE tenant = $1 LIMIT $2))
