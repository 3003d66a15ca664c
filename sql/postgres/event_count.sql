-- Counts the events of all logs, those that the relay has passed, and those of them that are
-- parked, superseded or discarded; counts the keys and topics that any sink has parked.
SELECT
    (SELECT coalesce(sum(position), 0)::bigint FROM heads JOIN tenants USING (tenant)) AS head,
    (
        SELECT coalesce(sum(greatest(cursors.position, incarnations.start - 1)), 0)::bigint
        FROM tenants
        JOIN incarnations ON incarnations.tenant = tenants.tenant AND incarnations.number = 1
        LEFT JOIN cursors
            ON cursors.tenant = tenants.tenant AND cursors.log_id = tenants.log_id AND follower = 'relay'
    ) AS relayed_to,
    coalesce(sum(events) FILTER (WHERE follower = 'relay' AND state IN ('parked', 'releasing')), 0)::bigint AS parked,
    coalesce(sum(events) FILTER (WHERE follower = 'relay' AND state = 'superseded'), 0)::bigint AS superseded,
    coalesce(sum(events) FILTER (WHERE follower = 'relay' AND state = 'discarded'), 0)::bigint AS discarded,
    count(*) FILTER (WHERE state IN ('parked', 'releasing')) AS scopes
FROM parked JOIN tenants USING (tenant)
