-- A topic's newest DELETE_ALL.
INSERT INTO delete_alls (tenant, topic, position)
VALUES (?, ?, ?)
ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
