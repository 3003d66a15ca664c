-- The ends of some tenants' logs, before an append: an array of tenants. Locked in their order; a
-- row that was waited for is given as it is then.
SELECT tenant, log_id::text AS log_id, heads.lane, position, time_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ANY($1)
ORDER BY tenant
FOR UPDATE OF heads
