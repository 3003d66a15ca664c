-- Adds an incarnation of a tenant's log, as the newest: tenant, log id, first position.
INSERT INTO incarnations (tenant, number, log_id, start)
SELECT $1, count(*) + 1, $2::uuid, $3
FROM incarnations
WHERE tenant = $1
