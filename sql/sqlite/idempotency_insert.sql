-- An event id that is given now.
INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
VALUES (?, ?, ?, ?, ?)
