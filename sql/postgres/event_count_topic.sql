-- Counts the events of a topic after a position, up to another: tenant, topic, positions.
SELECT count(*) AS events
FROM events
WHERE tenant = $1 AND topic = $2 AND position > $3 AND position <= $4
