-- Cursors whose truth is kept elsewhere, unless a later holder of a lane wrote there: the follower, the
-- term, then arrays of tenants, each once, and of places. In order of tenant, so that two who write the
-- same ones don't lock each other out.
INSERT INTO cursors (tenant, follower, term, log_id, position, event_id)
SELECT tenant, $1, $2, log_id::uuid, position, event_id::uuid
FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) AS stands (tenant, log_id, position, event_id)
ORDER BY tenant
ON CONFLICT (tenant, follower) DO UPDATE SET
    term = excluded.term,
    log_id = excluded.log_id,
    position = excluded.position,
    event_id = excluded.event_id
WHERE cursors.term <= excluded.term
