-- Gives a tenant another lane: lane, tenant.
UPDATE tenants
SET lane = ?
WHERE tenant = ?
