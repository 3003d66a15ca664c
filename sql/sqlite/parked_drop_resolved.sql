-- Removes resolved scopes that were parked before a time, but of each log not the one of the last
-- transition: time, how many at most.
DELETE FROM parked
WHERE (tenant, follower, event_id) IN (
    SELECT tenant, follower, event_id
    FROM parked AS old
    WHERE state = 'resolved' AND time_ms < ?1 AND ledger < (
        SELECT max(ledger)
        FROM parked AS its
        WHERE its.tenant = old.tenant AND its.follower = old.follower AND its.log_id = old.log_id
    )
    ORDER BY time_ms
    LIMIT ?2
)
