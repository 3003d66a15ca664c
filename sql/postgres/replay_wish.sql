-- Notes an operator's wish for a replay that has not ended and is not being cancelled: tenant, id, wish, its time, and
-- whether the rate changes, with the new one.
UPDATE replays
SET wish = $3,
    wish_ms = $4,
    events_per_second = CASE WHEN $5 THEN $6 ELSE events_per_second END,
    bytes_per_second = CASE WHEN $5 THEN $7 ELSE bytes_per_second END
WHERE tenant = $1 AND id = $2::uuid AND ended_ms IS NULL AND wish <> 'cancel'
