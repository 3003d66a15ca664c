-- What a lane's holder has parked, or how it goes on with it. What was asked for is done once the state
-- is another.
INSERT INTO parked
    (tenant, event_id, log_id, position, topic, key, cause, time_ms, state, ended, behind, counted, events,
    ledger)
VALUES ($1, $2::uuid, $3::uuid, $4, $5, $6, $7, now_ms(), $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, event_id) DO UPDATE SET
    cause = excluded.cause,
    asked = CASE WHEN parked.state = excluded.state THEN parked.asked END,
    state = excluded.state,
    ended = excluded.ended,
    behind = excluded.behind,
    counted = excluded.counted,
    events = excluded.events,
    ledger = excluded.ledger
