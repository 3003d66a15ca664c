-- Removes some dead letters of a tenant that is purged: tenant, how many at most.
DELETE FROM dead_letters
WHERE (tenant, name, position) IN (
    SELECT tenant, name, position FROM dead_letters WHERE tenant = ?1 LIMIT ?2
)
