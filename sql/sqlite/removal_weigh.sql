-- Counts the events of a topic in a range, and the bytes of their payloads: tenant, topic, the last
-- position before the range, the first after it, the time before which they are.
-- Left to itself, SQLite takes the primary key for a range with two ends, and looks through all
-- topics.
SELECT count(*) AS events, coalesce(sum(length(payload)), 0) AS bytes
FROM events INDEXED BY events_topic
WHERE tenant = ?1 AND topic = ?2 AND position > ?3 AND position < ?4 AND time_ms < ?5
