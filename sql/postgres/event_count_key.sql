-- Counts the events of a topic's key after a position, up to another: tenant, topic, positions, key.
SELECT count(*) AS events
FROM events
WHERE tenant = $1 AND topic = $2 AND position > $3 AND position <= $4 AND key = $5
