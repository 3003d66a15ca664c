-- Finds what an append is planned on, in one state: arrays of tenants, of tenants and topics, of
-- tenants and event ids. Each row is one of these: the store's time, the head of a tenant's log,
-- the last DELETE_ALL of a topic, a known event id. Only PostgreSQL: one statement asks for
-- everything, since each statement would cost a round trip.
SELECT
    now_ms() AS now_ms, NULL AS tenant, NULL AS log_id, NULL::bigint AS lane, NULL::bigint AS version,
    NULL AS topic, NULL::bytea AS event_id, NULL::bigint AS position, NULL::bigint AS time_ms,
    NULL::bytea AS fingerprint, NULL::bigint AS disabled_ms
UNION ALL
SELECT NULL, tenant, log_id::text, heads.lane, version, NULL, NULL, position, time_ms, NULL, disabled_ms
FROM heads JOIN tenants USING (tenant)
WHERE tenant = ANY($1)
UNION ALL
SELECT NULL, tenant, NULL, NULL, NULL, topic, NULL, position, NULL, NULL, NULL
FROM unnest($2::text[], $3::text[]) AS asked (tenant, topic)
CROSS JOIN LATERAL (
    SELECT position FROM delete_alls WHERE delete_alls.tenant = asked.tenant AND delete_alls.topic = asked.topic LIMIT 1
) AS found
UNION ALL
SELECT NULL, tenant, NULL, NULL, NULL, NULL, uuid_send(event_id), position, time_ms, fingerprint, NULL
FROM unnest($4::text[], $5::text[]::uuid[]) AS asked (tenant, event_id)
CROSS JOIN LATERAL (
    SELECT position, time_ms, fingerprint
    FROM idempotency
    WHERE idempotency.tenant = asked.tenant AND idempotency.event_id = asked.event_id
    LIMIT 1
) AS found
