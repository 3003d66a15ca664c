-- Event ids that are given now: an array of each column.
INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
SELECT tenant, event_id::uuid, position, time_ms, fingerprint
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
    AS new (tenant, event_id, position, time_ms, fingerprint)
