-- Counts what prevents a process from resizing the lanes: replicas that run, and lanes that it does
-- not hold.
SELECT
    (SELECT count(*) FROM replicas WHERE expires_ms > ?1 AND expires_ms <= ?1 + ttl_ms + 1000)
    + (
        SELECT count(*) FROM leases
        WHERE holder IS NOT ?2 OR expires_ms <= ?1 OR expires_ms > ?1 + ttl_ms + 1000
    ) AS others
