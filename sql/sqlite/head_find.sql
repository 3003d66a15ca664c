-- The ends of some tenants' logs, before a read; one tuple per tenant.
SELECT tenant, log_id, position
FROM heads JOIN tenants USING (tenant)
WHERE tenant IN (VALUES (?))
