-- Removes the tenant jobs that ended before a time.
DELETE FROM tenant_jobs
WHERE completed_ms < $1
