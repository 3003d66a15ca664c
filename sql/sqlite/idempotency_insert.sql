-- An event id that is given now. Only SQLite: each row of an append is written by itself, which costs no
-- round trip.
INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
VALUES (?, ?, ?, ?, ?)
