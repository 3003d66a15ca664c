-- Renews a lane's lease, unless the lane was taken or given back since: lane, term, milliseconds.
UPDATE leases
SET expires_ms = now_ms() + $3, ttl_ms = $3
WHERE lane = $1 AND term = $2 AND holder IS NOT NULL
