-- Ends the purge of a tenant: tenant, the present time.
UPDATE purges
SET ended_ms = ?2
WHERE tenant = ?1
