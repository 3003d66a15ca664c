-- Takes a lane that is free, run out, or held by the same replica: lane, holder, milliseconds.
UPDATE leases
SET holder = $2, epoch = epoch + 1, expires_ms = now_ms() + $3, ttl_ms = $3
WHERE lane = $1 AND (holder IS NULL OR holder = $2 OR NOT lasts(expires_ms, ttl_ms))
RETURNING epoch
