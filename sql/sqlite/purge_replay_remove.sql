-- Removes some replays of a tenant that is purged: tenant, how many at most.
DELETE FROM replays
WHERE (tenant, number) IN (SELECT tenant, number FROM replays WHERE tenant = ?1 LIMIT ?2)
