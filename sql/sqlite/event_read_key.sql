-- Reads a tenant's events of one key after a position.
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_key
WHERE tenant = ? AND key = ? AND position > ?
ORDER BY position
LIMIT ?
