-- Takes a lane from whoever holds it: holder, end, milliseconds, lane.
UPDATE leases
SET holder = ?, epoch = epoch + 1, expires_ms = ?, ttl_ms = ?
WHERE lane = ?
RETURNING epoch
