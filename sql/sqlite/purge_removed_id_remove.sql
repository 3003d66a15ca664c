-- Removes some notes of removed events' ids of a tenant that is purged: tenant, how many at most.
DELETE FROM removed_ids
WHERE (tenant, position) IN (SELECT tenant, position FROM removed_ids WHERE tenant = ?1 LIMIT ?2)
