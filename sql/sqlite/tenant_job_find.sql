-- Finds a tenant job: tenant, id.
SELECT
    tenant, id, attributes, who, issuer, request_id, submitted_ms, messages, error, completed_ms
FROM tenant_jobs
WHERE tenant = ?1 AND id = ?2
