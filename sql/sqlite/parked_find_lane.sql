-- Finds the parked scopes of a follower in a lane that have not ended: lane, follower.
SELECT tenant, event_id, parked.log_id, position, topic, key, cause, time_ms, state, ended, released_to, counted_to,
    events, requested, reason, ledger
FROM tenants JOIN parked USING (tenant)
WHERE lane = ? AND follower = ? AND state IN ('parked', 'releasing')
ORDER BY tenant, position
