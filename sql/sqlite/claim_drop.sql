-- Removes claims that are over: now, how many at most.
DELETE FROM claims
WHERE (tenant, action, replay_id, root_id) IN (
    SELECT tenant, action, replay_id, root_id FROM claims WHERE until_ms <= ?1 LIMIT ?2
)
