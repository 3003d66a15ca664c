-- Which event ids were given; one tuple per event id.
WITH asked (tenant, event_id) AS (VALUES (?, ?))
SELECT tenant, event_id, position, time_ms, fingerprint
FROM asked CROSS JOIN idempotency USING (tenant, event_id)
