-- Removes some erasures of a tenant that is purged: tenant, how many at most.
DELETE FROM erasures
WHERE ctid = ANY(ARRAY(SELECT ctid FROM erasures WHERE tenant = $1 LIMIT $2))
