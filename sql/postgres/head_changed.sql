-- The heads of a lane that changed since a token, and the token to ask with next: the oldest
-- transaction that has not ended. Without heads one row tells the token alone. What lies ahead of
-- this server's transactions was given by another, before a failover or a restore: a token to ask
-- with, then all heads are named; a head's, then it has not changed here.
SELECT horizon.token, head.tenant, head.log_id, head.lane, head.position, head.time_ms
FROM (
    SELECT pg_snapshot_xmin(now)::text::bigint AS token,
        pg_snapshot_xmax(now)::text::bigint AS ahead,
        CASE WHEN $2 <= pg_snapshot_xmax(now)::text::bigint THEN $2 ELSE 0 END AS since
    FROM pg_current_snapshot() AS now
) AS horizon
LEFT JOIN LATERAL (
    SELECT tenant, log_id::text AS log_id, heads.lane, position, time_ms
    FROM heads JOIN tenants USING (tenant)
    WHERE heads.lane = $1 AND heads.version_span >= since >> 10 AND heads.version >= since
        AND (heads.version < ahead OR since = 0)
) AS head ON true
