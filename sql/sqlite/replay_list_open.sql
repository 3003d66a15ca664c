-- Lists the replays of a lane's tenants that have not ended.
SELECT tenant, number, id, replays.log_id, submitted_ms, plan, until, total, events_per_second,
    bytes_per_second, wish, wish_ms, position, sent_events, sent_bytes, skipped, refused, closing, cause, outcome,
    ended_ms
FROM tenants JOIN replays USING (tenant)
WHERE lane = ? AND ended_ms IS NULL
ORDER BY tenant, number
