-- Counts the events of all logs, those that the relay has passed, and those of them that are
-- parked, superseded or discarded; counts the keys and topics that are parked.
SELECT
    (SELECT coalesce(sum(position), 0)::bigint FROM heads) AS head,
    (
        SELECT coalesce(sum(position), 0)::bigint
        FROM cursors JOIN tenants USING (tenant, log_id)
        WHERE follower = 'relay'
    ) AS relayed_to,
    coalesce(sum(events) FILTER (WHERE state IN ('parked', 'releasing')), 0)::bigint AS parked,
    coalesce(sum(events) FILTER (WHERE state = 'superseded'), 0)::bigint AS superseded,
    coalesce(sum(events) FILTER (WHERE state = 'discarded'), 0)::bigint AS discarded,
    count(*) FILTER (WHERE state IN ('parked', 'releasing')) AS scopes
FROM parked
WHERE follower = 'relay'
