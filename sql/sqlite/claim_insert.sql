-- Claims an event of an enabled tenant for an action, unless it is claimed: tenant, action, replay, root event's id,
-- until when, now.
INSERT INTO claims (tenant, action, replay_id, root_id, until_ms)
SELECT tenant, ?2, ?3, ?4, ?5
FROM tenants
WHERE tenant = ?1
ON CONFLICT (tenant, action, replay_id, root_id) DO UPDATE
SET until_ms = excluded.until_ms
WHERE claims.until_ms <= ?6
