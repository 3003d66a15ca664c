-- Finds the parked scopes of a follower in a tenant's log: tenant, follower.
SELECT tenant, event_id, log_id, position, topic, key, cause, time_ms, state, ended, released_to, counted_to, events,
    requested, reason, ledger
FROM parked
WHERE tenant = ? AND follower = ?
ORDER BY position
