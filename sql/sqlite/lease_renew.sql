-- Holds a lane longer, unless it was taken or given back since.
UPDATE leases
SET expires_ms = ?
WHERE lane = ? AND epoch = ? AND holder IS NOT NULL
