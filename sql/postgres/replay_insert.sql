-- Adds a replay of a tenant that has a log, unless the tenant has one of this number.
INSERT INTO replays (tenant, number, id, log_id, submitted_ms, plan, target, until, total, events_per_second, bytes_per_second,
    wish, wish_ms, position, outcome, ended_ms)
SELECT tenant, $2, $3::uuid, $4::uuid, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
FROM tenants
WHERE tenant = $1
ON CONFLICT (tenant, number) DO NOTHING
