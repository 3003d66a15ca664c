-- Finds the event with an id, unless it was removed since.
SELECT log_id::text AS log_id, position, uuid_send(events.event_id) AS event_id, topic, key, type,
    events.time_ms, last_delete_all, erased_ms, headers, payload
FROM idempotency
JOIN events USING (tenant, position)
JOIN tenants USING (tenant)
WHERE tenant = $1 AND idempotency.event_id = $2::uuid
