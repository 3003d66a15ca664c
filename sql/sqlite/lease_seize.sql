-- Takes a lane from its holder: new holder, end, milliseconds, lane. The term is higher than that
-- of any checkpoint, even if the leases alone went back in time.
UPDATE leases
SET holder = ?,
    term = 1 + max(term, (
        SELECT coalesce(max(term), 0) FROM tenants JOIN cursors USING (tenant) WHERE tenants.lane = leases.lane
    )),
    expires_ms = ?,
    ttl_ms = ?
WHERE lane = ?
RETURNING term
