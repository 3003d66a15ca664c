-- Finds a subscription: tenant, group.
SELECT
    tenant, name, version, form, position, delivered, scanned, gaps_to, generation, reader, expires_ms, ttl_ms,
    went_back_from, parts, halt
FROM subscriptions
WHERE tenant = ?1 AND name = ?2
