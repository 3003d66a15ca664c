-- Removes a tenant job: tenant, id.
DELETE FROM tenant_jobs
WHERE tenant = ?1 AND id = ?2
