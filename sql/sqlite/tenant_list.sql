-- Lists all enabled tenants.
SELECT tenant, log_id, tenants.lane, position
FROM tenants JOIN heads USING (tenant)
ORDER BY tenant
