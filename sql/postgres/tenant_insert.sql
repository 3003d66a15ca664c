-- Inserts a tenant that was never seen, in the lane that has the fewest tenants, the lowest of
-- several.
INSERT INTO tenants (tenant, log_id, lane)
SELECT $1, $2::uuid, leases.lane
FROM leases LEFT JOIN tenants AS others USING (lane)
GROUP BY leases.lane
ORDER BY count(others.tenant), leases.lane
LIMIT 1
ON CONFLICT (tenant) DO NOTHING
