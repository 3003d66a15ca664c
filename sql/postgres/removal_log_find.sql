-- Finds a tenant's log, which keeps its id until the transaction ends, if it has this id, if no
-- follower stands before a position, and if it has the last event of a step, unless that was removed:
-- tenant, id, an array of followers, and one of their positions, the position and the time of that event.
SELECT 1 AS found FROM tenants JOIN heads USING (tenant)
WHERE tenant = $1 AND log_id = $2::uuid AND NOT EXISTS (
    SELECT FROM unnest($3::text[], $4::bigint[]) AS stood (follower, position)
    WHERE NOT EXISTS (
        SELECT FROM cursors
        WHERE cursors.tenant = $1 AND cursors.follower = stood.follower
            AND cursors.log_id = $2::uuid AND cursors.position >= stood.position
    )
) AND heads.position >= $5 AND NOT EXISTS (
    SELECT FROM events
    WHERE events.tenant = $1 AND events.position = $5 AND events.time_ms <> $6
)
FOR SHARE OF tenants
