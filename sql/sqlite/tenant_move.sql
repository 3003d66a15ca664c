-- Gives tenants other lanes; one tuple per tenant.
WITH moved (tenant, lane) AS (VALUES (?, ?))
UPDATE tenants
SET lane = moved.lane
FROM moved
WHERE tenants.tenant = moved.tenant
