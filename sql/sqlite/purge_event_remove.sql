-- Removes some events of a tenant that is purged: tenant, how many at most.
DELETE FROM events
WHERE rowid IN (SELECT rowid FROM events WHERE tenant = ?1 LIMIT ?2)
