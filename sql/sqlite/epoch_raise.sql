-- A topic's newest DELETE_ALL.
INSERT INTO epochs (tenant, topic, position)
VALUES (?, ?, ?)
ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
