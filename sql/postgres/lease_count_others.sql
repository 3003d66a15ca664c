-- Counts what prevents a process from resizing the lanes: replicas that run, and lanes that it does
-- not hold.
SELECT
    (SELECT count(*) FROM replicas WHERE lasts(expires_ms, ttl_ms))
    + (SELECT count(*) FROM leases WHERE holder IS DISTINCT FROM $1 OR NOT lasts(expires_ms, ttl_ms)) AS others
