-- Removes an event of a topic: tenant, position, topic, the newest time that it has.
DELETE FROM events
WHERE tenant = ?1 AND position = ?2 AND topic = ?3 AND time_ms <= ?4
RETURNING event_id, time_ms
