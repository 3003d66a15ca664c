-- Begins the purge of a tenant: tenant, the present time.
INSERT INTO purges (tenant, log_id, lane, started_ms)
SELECT tenant, log_id, lane, ?2
FROM tenants
WHERE tenant = ?1
