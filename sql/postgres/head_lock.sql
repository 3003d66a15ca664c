-- Locks the heads of some tenants' logs, in the order of the tenants: an array of tenants. Only
-- PostgreSQL: several writers, of several replicas, append at once.
SELECT
FROM heads
WHERE tenant = ANY($1)
ORDER BY tenant
FOR UPDATE
