-- Acquires a lane that is free, expired, or held by the same replica: lane, holder, milliseconds.
-- The term is higher than that of any checkpoint, even if the leases alone went back in time.
UPDATE leases
SET holder = $2,
    term = 1 + greatest(term, (
        SELECT coalesce(max(term), 0) FROM tenants JOIN cursors USING (tenant) WHERE tenants.lane = leases.lane
    )),
    expires_ms = now_ms() + $3,
    ttl_ms = $3
WHERE lane = $1 AND (holder IS NULL OR holder = $2 OR NOT lasts(expires_ms, ttl_ms))
RETURNING term
