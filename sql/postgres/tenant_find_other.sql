-- Finds a tenant that is none of these: an array of tenants.
SELECT tenant
FROM tenants
WHERE tenant <> ALL ($1)
LIMIT 1
