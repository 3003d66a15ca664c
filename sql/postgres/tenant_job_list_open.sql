-- Lists the tenant jobs that have not ended, oldest first.
SELECT
    tenant, id, attributes, who, issuer, request_id, submitted_ms, messages, error, completed_ms
FROM tenant_jobs
WHERE completed_ms IS NULL
ORDER BY submitted_ms, tenant, id
