-- Removes the replays that ended before a time, but the last of each target, which tells whose topic that is, and the last
-- of each tenant, so that no number is given twice.
DELETE FROM replays
WHERE ended_ms < ? AND EXISTS (
    SELECT 1
    FROM replays AS later
    WHERE later.tenant = replays.tenant AND later.number > replays.number
        AND (replays.target IS NULL OR later.target = replays.target)
)
