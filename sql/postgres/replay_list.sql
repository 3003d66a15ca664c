-- Lists a tenant's replays, newest first.
SELECT tenant, number, id::text AS id, replays.log_id::text AS log_id, submitted_ms, plan, until, total, events_per_second,
    bytes_per_second, wish, wish_ms, position, sent_events, sent_bytes, skipped, refused, closing, cause, outcome,
    ended_ms
FROM replays
WHERE tenant = $1
ORDER BY number DESC
