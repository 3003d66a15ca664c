-- Finds the heads of some tenants' logs, before a read: an array of tenants.
SELECT tenant, log_id::text AS log_id, heads.lane, position, time_ms, disabled_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ANY($1)
