-- Lists the newest events of a key in a topic within a range, without their content: tenant, topic,
-- the last position before the range, the first after it, how many at most, key.
-- Left to itself, SQLite takes the primary key for a range with two ends, and looks through all
-- keys.
SELECT position, key, type, time_ms
FROM events INDEXED BY events_key
WHERE tenant = ?1 AND key = ?6 AND topic = ?2 AND position > ?3 AND position < ?4
ORDER BY position DESC
LIMIT ?5
