-- Lists the subscriptions of a tenant, or of all if it is null, each with its lag: the positions that
-- it has not passed, and the time of the first event there.
SELECT
    tenant, name, subscriptions.version, form, subscriptions.position, delivered, scanned, gaps_to, generation,
    reader, expires_ms, ttl_ms, went_back_from, parts, halt,
    greatest(heads.position - subscriptions.position, 0) AS events, (
        SELECT time_ms
        FROM events
        WHERE events.tenant = subscriptions.tenant AND events.position > subscriptions.position
        ORDER BY events.position
        LIMIT 1
    ) AS oldest_ms, now_ms() AS now_ms
FROM subscriptions JOIN heads USING (tenant) JOIN tenants USING (tenant)
WHERE $1::text IS NULL OR tenant = $1
ORDER BY tenant, name
