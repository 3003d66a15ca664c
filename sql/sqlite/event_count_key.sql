-- Counts the events of a topic's key after a position, up to another: tenant, topic, positions, key.
-- Left to itself, SQLite takes another index.
SELECT count(*) AS events
FROM events INDEXED BY events_key
WHERE tenant = ?1 AND topic = ?2 AND position > ?3 AND position <= ?4 AND key = ?5
