-- The heads of a lane that changed since a mark.
SELECT tenant, log_id, position, mark
FROM heads JOIN tenants USING (tenant)
WHERE heads.lane = ? AND mark > ?
ORDER BY mark
