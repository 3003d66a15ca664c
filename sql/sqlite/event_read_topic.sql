-- Reads a tenant's events of one topic after a position. Only SQLite: a merge of several topics takes more
-- than twice as many steps for each row, also if all but one of them are null.
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic
WHERE tenant = ? AND topic = ? AND position > ?
ORDER BY position
LIMIT ?
