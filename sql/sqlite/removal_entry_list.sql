-- Lists the first events of a topic in a range, without their content: tenant, topic, the last
-- position before the range, the first after it, how many at most.
-- Left to itself, SQLite takes the primary key for a range with two ends, and looks through all
-- topics.
SELECT position, key, type, time_ms
FROM events INDEXED BY events_topic
WHERE tenant = ?1 AND topic = ?2 AND position > ?3 AND position < ?4
ORDER BY position
LIMIT ?5
