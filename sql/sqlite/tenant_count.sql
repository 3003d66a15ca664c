-- Counts the tenants that have a log.
SELECT count(*) AS tenants FROM tenants
