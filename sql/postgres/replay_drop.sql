-- Removes the replays that ended before a time, but each target's last: it tells whose topic that is.
DELETE FROM replays
WHERE ended_ms < $1 AND (target IS NULL OR EXISTS (
    SELECT 1
    FROM replays AS later
    WHERE later.tenant = replays.tenant AND later.target = replays.target AND later.number > replays.number
))
