-- Writes how far a tenant job is that has not ended: tenant, id, messages, error, time of the end.
UPDATE tenant_jobs
SET messages = $3, error = $4, completed_ms = $5
WHERE tenant = $1 AND id = $2 AND completed_ms IS NULL
