-- Event ids that are given now; one tuple per event.
INSERT INTO idempotency (tenant, event_id, position, time_ms, fingerprint)
VALUES (?, ?, ?, ?, ?)
