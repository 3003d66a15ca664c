-- Lists the first events of a topic in a range, without their content: tenant, topic, the last
-- position before the range, the first after it, how many at most.
SELECT position, key, type, time_ms
FROM events
WHERE tenant = $1 AND topic = $2 AND position > $3 AND position < $4
ORDER BY position
LIMIT $5
