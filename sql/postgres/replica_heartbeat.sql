-- Registers that a replica runs, for a while: its name, its run, milliseconds. Returns the run that
-- was registered under that name, if any. Removes replicas that died.
WITH forgotten AS (
    DELETE FROM replicas
    WHERE (expires_ms < now_ms() - 60000 OR expires_ms > now_ms() + ttl_ms + 60000) AND replica <> $1
), before AS (
    SELECT instance FROM replicas WHERE replica = $1 AND lasts(expires_ms, ttl_ms)
)
INSERT INTO replicas (replica, instance, expires_ms, ttl_ms)
VALUES ($1, $2, now_ms() + $3, $3)
ON CONFLICT (replica)
DO UPDATE SET instance = excluded.instance, expires_ms = excluded.expires_ms, ttl_ms = excluded.ttl_ms
RETURNING (SELECT instance FROM before) AS before
