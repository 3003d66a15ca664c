-- Acquires a lane that is free, expired, or held by the same replica: holder, end, milliseconds,
-- lane, now. The term is higher than that of any checkpoint, even if the leases alone went back in
-- time.
UPDATE leases
SET holder = ?1,
    term = 1 + max(term, (
        SELECT coalesce(max(term), 0) FROM tenants JOIN cursors USING (tenant) WHERE tenants.lane = leases.lane
    )),
    expires_ms = ?2,
    ttl_ms = ?3
WHERE lane = ?4
    AND (holder IS NULL OR holder = ?1 OR expires_ms <= ?5 OR expires_ms > ?5 + ttl_ms + 1000)
RETURNING term
