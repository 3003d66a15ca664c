-- Counts the events of a tenant that are parked: tenant.
SELECT coalesce(sum(events), 0)::bigint AS events
FROM parked
WHERE tenant = $1 AND state IN ('parked', 'releasing')
