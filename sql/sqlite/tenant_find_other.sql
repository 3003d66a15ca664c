-- Finds a tenant that is none of these: a JSON array of tenants.
SELECT tenant
FROM tenants
WHERE tenant NOT IN (SELECT value FROM json_each(?))
LIMIT 1
