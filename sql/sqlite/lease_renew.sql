-- Holds a lane longer, unless it was taken or given back since: end, milliseconds, lane, term.
UPDATE leases
SET expires_ms = ?, ttl_ms = ?
WHERE lane = ? AND term = ? AND holder IS NOT NULL
