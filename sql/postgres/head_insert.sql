-- Inserts the head of an empty log, for a tenant that has none. Its version is null, since nothing
-- has changed yet.
INSERT INTO heads (tenant, lane, position, time_ms)
SELECT tenant, lane, 0, 0 FROM tenants WHERE tenant = $1
ON CONFLICT (tenant) DO NOTHING
