-- Inserts the head of an empty log, for a tenant that has none. Its version is 0, since nothing has
-- changed yet.
INSERT INTO heads (tenant, lane, position, time_ms, version)
SELECT tenant, lane, 0, 0, 0 FROM tenants WHERE tenant = ?
ON CONFLICT (tenant) DO NOTHING
