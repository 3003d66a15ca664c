-- The ends of some tenants' logs, before an append; one tuple per tenant. BEGIN IMMEDIATE has locked them.
SELECT tenant, log_id, tenants.lane, position, time_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant IN (VALUES (?))
