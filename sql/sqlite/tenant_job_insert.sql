-- Inserts a tenant job: tenant, id, attributes, actor, issuer, request id, time of the request,
-- messages, error, time of the end.
INSERT INTO tenant_jobs (
    tenant, id, attributes, who, issuer, request_id, submitted_ms, messages, error, completed_ms
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
