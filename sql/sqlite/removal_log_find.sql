-- Finds a tenant's log, if it has this id: tenant, id.
SELECT 1 FROM tenants WHERE tenant = ?1 AND log_id = ?2
