-- A sealed event.
INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, epoch, headers, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
