-- Finds a tenant that has a log.
SELECT tenant, log_id, tenants.lane, position, disabled_ms
FROM tenants JOIN heads USING (tenant)
WHERE tenant = ?1
