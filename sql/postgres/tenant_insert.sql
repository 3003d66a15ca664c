-- Inserts a tenant that was never seen, in the lane that has the fewest tenants, the lowest of
-- several. A tenant that was purged before gets the lane of its head, so that the versions of that
-- lane's heads don't fall: tenant, log id.
INSERT INTO tenants (tenant, log_id, lane)
SELECT $1, $2::uuid, leases.lane
FROM leases LEFT JOIN tenants AS others USING (lane)
WHERE NOT EXISTS (SELECT 1 FROM purges WHERE tenant = $1)
GROUP BY leases.lane
ORDER BY leases.lane <> coalesce((SELECT lane FROM heads WHERE tenant = $1), -1),
    count(others.tenant), leases.lane
LIMIT 1
ON CONFLICT (tenant) DO NOTHING
