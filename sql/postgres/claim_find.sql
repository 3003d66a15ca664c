-- Finds claims that are not over: tenant, action, replay, array of root events' ids.
SELECT root_id
FROM claims
WHERE tenant = $1 AND action = $2 AND replay_id = $3 AND root_id = ANY($4) AND until_ms > now_ms()
