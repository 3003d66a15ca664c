-- Removes the replays that ended before a time.
DELETE FROM replays
WHERE ended_ms < $1
