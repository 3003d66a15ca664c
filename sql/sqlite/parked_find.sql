-- Finds what a follower has parked of a tenant's log: tenant, follower.
SELECT tenant, event_id, log_id, position, topic, key, cause, time_ms, state, ended, released_to, counted_to, events,
    requested, reason, ledger
FROM parked
WHERE tenant = ? AND follower = ?
ORDER BY position
