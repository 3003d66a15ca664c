-- What an append writes, an array of each column: sealed events with the fingerprints of their contents,
-- topics' newest DELETE_ALL, the new ends of the logs. Tells how many rows that were. The heads' mark is
-- this transaction.
WITH new_events AS (
    INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
    SELECT tenant, position, event_id::uuid, topic, key, type, time_ms, epoch, headers, payload
    FROM unnest(
        $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[]
    ) AS new (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
    RETURNING 1
), given AS (
    INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
    SELECT tenant, event_id::uuid, position, time_ms, fingerprint
    FROM unnest($1::text[], $3::text[], $2::bigint[], $7::bigint[], $11::bytea[])
        AS new (tenant, event_id, position, time_ms, fingerprint)
    RETURNING 1
), raised_epochs AS (
    INSERT INTO epochs (tenant, topic, position)
    SELECT * FROM unnest($12::text[], $13::text[], $14::bigint[])
    ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
    RETURNING 1
), raised_heads AS (
    UPDATE heads
    SET position = raised.position,
        time_ms = raised.time_ms,
        mark = pg_current_xact_id()::text::bigint
    FROM unnest($15::text[], $16::bigint[], $17::bigint[]) AS raised (tenant, position, time_ms)
    WHERE heads.tenant = raised.tenant
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM new_events) + (SELECT count(*) FROM given)
    + (SELECT count(*) FROM raised_epochs) + (SELECT count(*) FROM raised_heads) AS written
