-- Writes a parked scope as the lane's holder has it. A request is done with once the state is another.
INSERT INTO parked
    (tenant, follower, event_id, log_id, position, topic, key, cause, time_ms, state, ended, released_to, counted_to, events,
    ledger)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, follower, event_id) DO UPDATE SET
    cause = excluded.cause,
    requested = CASE WHEN parked.state = excluded.state THEN parked.requested END,
    state = excluded.state,
    ended = excluded.ended,
    released_to = excluded.released_to,
    counted_to = excluded.counted_to,
    events = excluded.events,
    ledger = excluded.ledger
