-- Finds the purge of a tenant that is under way, or has ended and after which it has not come back.
SELECT tenant
FROM purges
WHERE tenant = ?
