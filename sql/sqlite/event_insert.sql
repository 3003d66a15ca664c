-- Inserts a sealed event. Only SQLite: each row of an append is written by itself, which costs no
-- round trip.
INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, last_delete_all, headers, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
