-- Gives tenants other lanes: arrays of both.
UPDATE tenants
SET lane = moved.lane
FROM unnest($1::text[], $2::bigint[]) AS moved (tenant, lane)
WHERE tenants.tenant = moved.tenant
