-- Removes some claims of a tenant that is purged: tenant, how many at most.
DELETE FROM claims
WHERE ctid = ANY(ARRAY(SELECT ctid FROM claims WHERE tenant = $1 LIMIT $2))
