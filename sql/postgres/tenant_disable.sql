-- Disables a tenant that is enabled: tenant, the present time.
UPDATE tenants
SET disabled_ms = $2
WHERE tenant = $1 AND disabled_ms IS NULL
