-- Holds a lane longer, unless it was taken or given back since: end, milliseconds, lane, epoch.
UPDATE leases
SET expires_ms = ?, ttl_ms = ?
WHERE lane = ? AND epoch = ? AND holder IS NOT NULL
