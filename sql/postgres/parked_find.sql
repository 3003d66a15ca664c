-- Finds the parked scopes of a follower in a tenant's log: tenant, follower.
SELECT tenant, uuid_send(event_id) AS event_id, log_id::text AS log_id, position, topic, key, cause, time_ms,
    state, ended, released_to, counted_to, events, requested, reason, ledger
FROM parked
WHERE tenant = $1 AND follower = $2
ORDER BY position
