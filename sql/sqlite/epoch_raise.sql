-- Topics' newest DELETE_ALL; one tuple per topic.
INSERT INTO epochs (tenant, topic, position)
VALUES (?, ?, ?)
ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
