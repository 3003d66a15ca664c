-- Finds a tenant's log, which keeps its id until the transaction ends, if it has this id, and if no
-- follower stands before a position: tenant, id, an array of followers, and one of their positions.
SELECT 1 AS found FROM tenants
WHERE tenant = $1 AND log_id = $2::uuid AND NOT EXISTS (
    SELECT FROM unnest($3::text[], $4::bigint[]) AS stood (follower, position)
    WHERE NOT EXISTS (
        SELECT FROM cursors
        WHERE cursors.tenant = $1 AND cursors.follower = stood.follower
            AND cursors.log_id = $2::uuid AND cursors.position >= stood.position
    )
)
FOR SHARE OF tenants
