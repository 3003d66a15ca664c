-- Removes some notes of removed events' ids of a tenant that is purged: tenant, how many at most.
DELETE FROM removed_ids
WHERE ctid = ANY(ARRAY(SELECT ctid FROM removed_ids WHERE tenant = $1 LIMIT $2))
