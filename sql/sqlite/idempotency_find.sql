-- Finds the idempotency record of an event id. Only SQLite: each row of an append is asked for by
-- itself, which costs no round trip.
SELECT event_id, position, time_ms, fingerprint
FROM idempotency
WHERE tenant = ? AND event_id = ?
