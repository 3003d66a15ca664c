-- Finds the first event of a tenant's log at or after a position.
SELECT position, time_ms
FROM events
WHERE tenant = $1 AND position >= $2
ORDER BY position
LIMIT 1
