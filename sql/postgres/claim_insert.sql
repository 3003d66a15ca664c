-- Claims events of an enabled tenant for an action, those that are not claimed: tenant, action, replay, array of root
-- events' ids, milliseconds. Returns those that it has claimed.
INSERT INTO claims (tenant, action, replay_id, root_id, until_ms)
SELECT tenant, $2, $3, root_id, now_ms() + $5
FROM tenants CROSS JOIN unnest($4::text[]) AS new (root_id)
WHERE tenant = $1
ORDER BY root_id
ON CONFLICT (tenant, action, replay_id, root_id) DO UPDATE
SET until_ms = excluded.until_ms
WHERE claims.until_ms <= now_ms()
RETURNING root_id
