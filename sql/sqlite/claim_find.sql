-- Finds a claim that is not over: tenant, action, replay, root event's id, now.
SELECT root_id
FROM claims
WHERE tenant = ?1 AND action = ?2 AND replay_id = ?3 AND root_id = ?4 AND until_ms > ?5
