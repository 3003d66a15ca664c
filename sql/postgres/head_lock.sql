-- Locks the ends of some tenants' logs, in the order of the tenants: an array of them.
SELECT
FROM heads
WHERE tenant = ANY($1)
ORDER BY tenant
FOR UPDATE
