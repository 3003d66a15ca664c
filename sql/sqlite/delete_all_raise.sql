-- Sets a topic's newest DELETE_ALL. Only SQLite: each row of an append is written by itself, which
-- costs no round trip.
INSERT INTO delete_alls (tenant, topic, position)
VALUES (?, ?, ?)
ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
