-- The heads of a lane that changed since a mark.
SELECT tenant, log_id, heads.lane, position, time_ms, mark
FROM heads JOIN tenants USING (tenant)
WHERE heads.lane = ? AND mark > ?
ORDER BY mark
