-- Adds a subscription of an enabled tenant, unless it exists: tenant, group, form, position,
-- delivered, scanned, accepted gaps, generation, reader, end of its lease, milliseconds, where it went
-- back from, parts, halt. One that is made anew goes on with greater versions and generations.
INSERT INTO subscriptions (
    tenant, name, version, form, position, delivered, scanned, gaps_to, generation, reader, expires_ms, ttl_ms,
    went_back_from, parts, halt
)
SELECT
    tenant, $2, next_generation + 1, $3, $4, $5, $6, $7, next_generation + $8, $9, $10, $11, $12, $13, $14
FROM tenants
WHERE tenant = $1
FOR SHARE
ON CONFLICT (tenant, name) DO NOTHING
