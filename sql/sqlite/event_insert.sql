-- A sealed event.
INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, last_delete_all, headers, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
