-- What stands in the way of who would resize the lanes: replicas that attend, lanes that it does not hold.
SELECT
    (SELECT count(*) FROM replicas WHERE expires_ms > ?1)
    + (SELECT count(*) FROM leases WHERE holder IS NOT ?2 OR expires_ms <= ?1) AS others
