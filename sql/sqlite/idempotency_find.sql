-- Whether an event id was given.
SELECT tenant, event_id, position, time_ms, fingerprint
FROM idempotency
WHERE tenant = ? AND event_id = ?
