-- Finds subscriptions, and the time: arrays of tenants and of groups.
SELECT
    tenant, name, version, form, position, delivered, scanned, gaps_to, generation, reader, expires_ms, ttl_ms,
    went_back_from, parts, halt, now_ms() AS now_ms
FROM unnest($1::text[], $2::text[]) AS named (tenant, name)
JOIN subscriptions USING (tenant, name)
