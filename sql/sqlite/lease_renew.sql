-- Renews a lane's lease, unless the lane was taken or given back since: end, milliseconds, lane,
-- term.
UPDATE leases
SET expires_ms = ?, ttl_ms = ?
WHERE lane = ? AND term = ? AND holder IS NOT NULL
