-- Removes some claims of a tenant that is purged: tenant, how many at most.
DELETE FROM claims
WHERE (tenant, action, replay_id, root_id) IN (
    SELECT tenant, action, replay_id, root_id FROM claims WHERE tenant = ?1 LIMIT ?2
)
