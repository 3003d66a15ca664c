-- The new ends of some tenants' logs: arrays of tenants, positions and times. The mark is this
-- transaction.
UPDATE heads
SET position = raised.position,
    time_ms = raised.time_ms,
    mark = pg_current_xact_id()::text::bigint
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS raised (tenant, position, time_ms)
WHERE heads.tenant = raised.tenant
