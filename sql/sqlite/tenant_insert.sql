-- Inserts a tenant that was never seen, in the lane that has the fewest tenants, the lowest of
-- several.
INSERT INTO tenants (tenant, log_id, lane)
SELECT ?, ?, leases.lane
FROM leases LEFT JOIN tenants AS others USING (lane)
WHERE true
GROUP BY leases.lane
ORDER BY count(others.tenant), leases.lane
LIMIT 1
ON CONFLICT (tenant) DO NOTHING
