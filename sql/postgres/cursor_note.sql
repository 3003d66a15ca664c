-- Cursors whose truth is kept elsewhere: the follower, then arrays of tenants, each once, and of
-- places. In order of tenant, so that two who note the same ones don't lock each other out.
INSERT INTO cursors (tenant, follower, log_id, position, event_id)
SELECT tenant, $1, log_id::uuid, position, event_id::uuid
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS noted (tenant, log_id, position, event_id)
ORDER BY tenant
ON CONFLICT (tenant, follower)
DO UPDATE SET log_id = excluded.log_id, position = excluded.position, event_id = excluded.event_id
