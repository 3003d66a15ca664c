-- Counts the DELETE_ALLs of a tenant of which not every DELETE is in the log: tenant.
SELECT count(*) AS expansions FROM expansions
WHERE tenant = ?1 AND walked_to < request
