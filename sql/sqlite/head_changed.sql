-- Finds the heads of a lane that changed since a token.
SELECT tenant, log_id, heads.lane, position, time_ms, disabled_ms, version
FROM heads JOIN tenants USING (tenant)
WHERE heads.lane = ? AND version > ?
ORDER BY version
