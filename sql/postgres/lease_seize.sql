-- Takes a lane from whoever holds it: lane, holder, milliseconds.
UPDATE leases
SET holder = $2, epoch = epoch + 1, expires_ms = now_ms() + $3, ttl_ms = $3
WHERE lane = $1
RETURNING epoch
