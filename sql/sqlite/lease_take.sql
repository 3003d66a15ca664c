-- Takes a lane that is free, run out, or held by the same replica: holder, end, milliseconds, lane, now.
UPDATE leases
SET holder = ?1, epoch = epoch + 1, expires_ms = ?2, ttl_ms = ?3
WHERE lane = ?4
    AND (holder IS NULL OR holder = ?1 OR expires_ms <= ?5 OR expires_ms > ?5 + ttl_ms + 1000)
RETURNING epoch
