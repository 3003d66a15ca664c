-- Sealed events: an array of each column.
INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
SELECT tenant, position, event_id::uuid, topic, key, type, time_ms, epoch, headers, payload
FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
    $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[]
) AS new (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
