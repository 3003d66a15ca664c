-- Adds a replay, unless the tenant has one of this number.
INSERT INTO replays (tenant, number, id, log_id, submitted_ms, plan, until, total, events_per_second, bytes_per_second,
    wish, wish_ms, position, outcome, ended_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, number) DO NOTHING
