-- Forgets the purge of a tenant if it has ended, since the tenant comes back: tenant.
DELETE FROM purges WHERE tenant = ?1 AND ended_ms IS NOT NULL
