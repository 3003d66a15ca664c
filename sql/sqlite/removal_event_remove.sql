-- Removes an event of a topic: tenant, position, topic.
DELETE FROM events
WHERE tenant = ?1 AND position = ?2 AND topic = ?3
RETURNING event_id, time_ms
