-- What stands in the way of who would resize the lanes: replicas that attend, lanes that it does not hold.
SELECT
    (SELECT count(*) FROM replicas WHERE expires_ms > now_ms())
    + (SELECT count(*) FROM leases WHERE holder IS DISTINCT FROM $1 OR expires_ms <= now_ms()) AS others
