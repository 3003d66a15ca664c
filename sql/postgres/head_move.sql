-- Gives the heads of tenants their lanes.
UPDATE heads
SET lane = tenants.lane
FROM tenants
WHERE heads.tenant = tenants.tenant AND heads.lane <> tenants.lane
