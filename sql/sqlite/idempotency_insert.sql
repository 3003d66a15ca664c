-- Inserts the idempotency record of an event id. Only SQLite: each row of an append is written by
-- itself, which costs no round trip.
INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
VALUES (?, ?, ?, ?, ?)
