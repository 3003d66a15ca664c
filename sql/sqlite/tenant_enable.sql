-- Enables a tenant that is disabled.
UPDATE tenants
SET disabled_ms = NULL
WHERE tenant = ?1 AND disabled_ms IS NOT NULL
