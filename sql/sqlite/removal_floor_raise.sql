-- Raises the floor of a topic, and the position up to which it is compacted: tenant, topic, floor,
-- position. Neither falls.
INSERT INTO floors (tenant, topic, floor, compacted_to)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, topic) DO UPDATE
SET floor = max(floor, excluded.floor), compacted_to = max(compacted_to, excluded.compacted_to)
