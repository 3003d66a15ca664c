-- Removes some replays of a tenant that is purged: tenant, how many at most.
DELETE FROM replays
WHERE ctid = ANY(ARRAY(SELECT ctid FROM replays WHERE tenant = $1 LIMIT $2))
