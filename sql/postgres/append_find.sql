-- What an append goes by, once its heads are locked: arrays of tenants and topics, of tenants and event ids.
-- Each row is one of these: the store's clock, the last DELETE_ALL of a topic, an event id that was given.
SELECT
    now_ms() AS now_ms, NULL AS tenant, NULL AS topic, NULL::bytea AS event_id,
    NULL::bigint AS position, NULL::bigint AS time_ms, NULL::bytea AS fingerprint
UNION ALL
SELECT NULL, tenant, topic, NULL, position, NULL, NULL
FROM unnest($1::text[], $2::text[]) AS asked (tenant, topic)
CROSS JOIN LATERAL (
    SELECT position FROM epochs WHERE epochs.tenant = asked.tenant AND epochs.topic = asked.topic LIMIT 1
) AS found
UNION ALL
SELECT NULL, tenant, NULL, uuid_send(event_id), position, time_ms, fingerprint
FROM unnest($3::text[], $4::text[]::uuid[]) AS asked (tenant, event_id)
CROSS JOIN LATERAL (
    SELECT position, time_ms, fingerprint
    FROM idempotency
    WHERE idempotency.tenant = asked.tenant AND idempotency.event_id = asked.event_id
    LIMIT 1
) AS found
