-- The end of a tenant's log, before a read.
SELECT tenant, log_id, position
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ?
