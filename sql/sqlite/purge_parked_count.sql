-- Counts the events of a tenant that are parked: tenant.
SELECT coalesce(sum(events), 0) AS events
FROM parked
WHERE tenant = ?1 AND state IN ('parked', 'releasing')
