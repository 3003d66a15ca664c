-- The ends of some tenants' logs, before a read: an array of tenants.
SELECT tenant, log_id::text AS log_id, position
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ANY($1)
