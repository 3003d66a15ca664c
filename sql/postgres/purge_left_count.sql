-- Counts the sinks that have passed a purge and still have something of the tenant: tenant.
SELECT count(*) AS sinks FROM purge_passes
WHERE tenant = $1 AND NOT removed
