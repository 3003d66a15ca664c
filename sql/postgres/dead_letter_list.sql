-- Lists the dead letters of a group after a position, in order: tenant, group, position, how many at most.
SELECT position, topic, key, joined_by, why, attempts, since_ms, is_redriven
FROM dead_letters
WHERE tenant = $1 AND name = $2 AND position > $3
ORDER BY position
LIMIT $4
