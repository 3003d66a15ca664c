-- Writes an append, from an array of each column: sealed events with the fingerprints of their
-- contents, topics' newest DELETE_ALL, the new heads of the logs with the versions that they were
-- found with. Returns the number of rows written, and the heads' new version, which is this
-- transaction. Writes none if a head has changed since, which shows once all are locked, in the
-- order of their tenants, or if an event id is known. Only PostgreSQL: one statement writes all of
-- an append, since each statement would cost a round trip.
WITH unchanged AS MATERIALIZED (
    SELECT FROM heads JOIN unnest($15::text[], $18::bigint[]) AS found (tenant, version)
        ON heads.tenant = found.tenant
    WHERE heads.version IS NOT DISTINCT FROM found.version
    ORDER BY heads.tenant
    FOR UPDATE OF heads
), still AS MATERIALIZED (
    SELECT FROM unchanged HAVING count(*) = cardinality($15) AND NOT EXISTS (
        SELECT FROM unnest($1::text[], $3::text[]::uuid[]) AS new (tenant, event_id)
        CROSS JOIN LATERAL (
            SELECT FROM idempotency
            WHERE idempotency.tenant = new.tenant AND idempotency.event_id = new.event_id
            LIMIT 1
        ) AS known
    )
), new_events AS (
    INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, last_delete_all, headers, payload)
    SELECT tenant, position, event_id::uuid, topic, key, type, time_ms, last_delete_all, headers, payload
    FROM still CROSS JOIN unnest(
        $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[]
    ) AS new (tenant, position, event_id, topic, key, type, time_ms, last_delete_all, headers, payload)
    RETURNING 1
), given AS (
    INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
    SELECT tenant, event_id::uuid, position, time_ms, fingerprint
    FROM still CROSS JOIN unnest($1::text[], $3::text[], $2::bigint[], $7::bigint[], $11::bytea[])
        AS new (tenant, event_id, position, time_ms, fingerprint)
    RETURNING 1
), raised_delete_alls AS (
    INSERT INTO delete_alls (tenant, topic, position)
    SELECT raised.* FROM still CROSS JOIN unnest($12::text[], $13::text[], $14::bigint[]) AS raised
    ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
    RETURNING 1
), raised_heads AS (
    UPDATE heads
    SET position = raised.position,
        time_ms = raised.time_ms,
        version = pg_current_xact_id()::text::bigint
    FROM still CROSS JOIN unnest($15::text[], $16::bigint[], $17::bigint[]) AS raised (tenant, position, time_ms)
    WHERE heads.tenant = raised.tenant
    RETURNING heads.version
)
SELECT
    (SELECT count(*) FROM new_events) + (SELECT count(*) FROM given)
    + (SELECT count(*) FROM raised_delete_alls) + (SELECT count(*) FROM raised_heads) AS written,
    (SELECT max(version) FROM raised_heads) AS version
