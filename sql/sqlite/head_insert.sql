-- Inserts the head of an empty log. Its version is 0, since nothing has changed yet. The head of a
-- log that was purged goes on at its position, so that no position is given twice.
INSERT INTO heads (tenant, lane, position, time_ms, version)
SELECT tenant, lane, 0, 0, 0 FROM tenants WHERE tenant = ?
ON CONFLICT (tenant) DO UPDATE SET lane = excluded.lane
RETURNING position
