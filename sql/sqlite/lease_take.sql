-- Takes a lane that is free, run out, or held by the same replica: holder, end, lane, holder, now.
UPDATE leases
SET holder = ?, epoch = epoch + 1, expires_ms = ?
WHERE lane = ? AND (holder IS NULL OR holder = ? OR expires_ms <= ?)
RETURNING epoch
