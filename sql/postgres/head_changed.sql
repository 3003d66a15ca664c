-- Finds the heads of a lane that changed since a token, and the next token: the oldest open
-- transaction. Without heads, one row has the token alone. A number ahead of this server's
-- transactions was given by another server, before a failover or a restore: if it is the token, all
-- heads are returned; if it is a head's version, the head has not changed here.
SELECT horizon.token, head.tenant, head.log_id, head.lane, head.position, head.time_ms, head.disabled_ms
FROM (
    SELECT pg_snapshot_xmin(now)::text::bigint AS token,
        pg_snapshot_xmax(now)::text::bigint AS ahead,
        CASE WHEN $2 <= pg_snapshot_xmax(now)::text::bigint THEN $2 ELSE 0 END AS since
    FROM pg_current_snapshot() AS now
) AS horizon
LEFT JOIN LATERAL (
    SELECT tenant, log_id::text AS log_id, heads.lane, position, time_ms, disabled_ms
    FROM heads JOIN tenants USING (tenant)
    WHERE heads.lane = $1 AND heads.version_span >= since >> 10 AND heads.version >= since
        AND (heads.version < ahead OR since = 0)
) AS head ON true
