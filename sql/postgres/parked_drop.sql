-- Removes the parked scopes of a log: tenant, log id.
DELETE FROM parked
WHERE tenant = $1 AND log_id = $2::uuid
