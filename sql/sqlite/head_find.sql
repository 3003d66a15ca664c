-- Finds the head of a tenant's log, before a read or an append.
SELECT tenant, log_id, tenants.lane, position, time_ms, disabled_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ?
