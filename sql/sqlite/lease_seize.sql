-- Takes a lane from whoever holds it: holder, end, milliseconds, lane.
-- The term is higher than that of any checkpoint, also after the leases alone went back.
UPDATE leases
SET holder = ?,
    term = 1 + max(term, (
        SELECT coalesce(max(term), 0) FROM tenants JOIN cursors USING (tenant) WHERE tenants.lane = leases.lane
    )),
    expires_ms = ?,
    ttl_ms = ?
WHERE lane = ?
RETURNING term
