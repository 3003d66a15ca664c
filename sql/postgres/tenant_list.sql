-- Lists all tenants that have a log.
SELECT tenant, log_id::text AS log_id, tenants.lane, position, disabled_ms
FROM tenants JOIN heads USING (tenant)
ORDER BY tenant
