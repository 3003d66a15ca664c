-- Gives a tenant's log another id: tenant, old id, new id.
UPDATE tenants
SET log_id = $3::uuid
WHERE tenant = $1 AND log_id = $2::uuid
