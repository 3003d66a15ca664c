-- The end of a tenant's log, before an append. The transaction has locked it.
SELECT tenant, log_id, tenants.lane, position, time_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ?
