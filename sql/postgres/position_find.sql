-- Finds the first position of a tenant's log at or after a time; time never goes back in a log.
SELECT position
FROM events
WHERE tenant = $1 AND time_ms >= $2
ORDER BY time_ms, position
LIMIT 1
