-- Counts the events of a topic after a position, up to another: tenant, topic, positions.
-- Left to itself, SQLite takes the primary key for a range with two ends, and looks through all
-- topics.
SELECT count(*) AS events
FROM events INDEXED BY events_topic
WHERE tenant = ?1 AND topic = ?2 AND position > ?3 AND position <= ?4
