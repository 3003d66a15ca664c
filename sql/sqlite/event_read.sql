-- Reads a tenant's events after a position.
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events
WHERE tenant = ? AND position > ?
ORDER BY position
LIMIT ?
