-- Finds the incarnations of a tenant's log, oldest first: tenant.
SELECT log_id, start
FROM incarnations
WHERE tenant = ?1
ORDER BY number
