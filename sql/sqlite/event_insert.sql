-- Sealed events; one tuple per event.
INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
