-- Removes the oldest rows of the trail from before a time: time, how many at most.
DELETE FROM trail
WHERE number IN (
    SELECT number FROM trail WHERE time_ms < $1 ORDER BY time_ms, number LIMIT $2
)
