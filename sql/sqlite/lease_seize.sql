-- Takes a lane from whoever holds it: holder, end, lane.
UPDATE leases
SET holder = ?, epoch = epoch + 1, expires_ms = ?
WHERE lane = ?
RETURNING epoch
