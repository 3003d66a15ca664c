-- Parks a new scope. Takes the tenant, the follower, the event, the log and the transition's
-- number; then the position, the topic, the key, the cause and the time.
INSERT INTO parked
    (tenant, follower, event_id, log_id, position, topic, key, cause, time_ms, state, released_to, counted_to,
    events, ledger)
VALUES (?1, ?2, ?3, ?4, ?6, ?7, ?8, ?9, ?10, 'parked', ?6 - 1, ?6 - 1, 0, ?5)
