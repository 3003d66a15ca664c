-- Which event ids were given: arrays of tenants and event ids.
SELECT tenant, uuid_send(event_id) AS event_id, position, time_ms, fingerprint
FROM unnest($1::text[], $2::text[]::uuid[]) AS asked (tenant, event_id)
CROSS JOIN LATERAL (
    SELECT position, time_ms, fingerprint
    FROM idempotency
    WHERE idempotency.tenant = asked.tenant AND idempotency.event_id = asked.event_id
    LIMIT 1
) AS found
