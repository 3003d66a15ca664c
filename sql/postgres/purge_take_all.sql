-- Lets a purge that is under way also remove what the sinks have of a log that the store does not
-- know: tenant.
UPDATE purges
SET takes_all = TRUE
WHERE tenant = $1 AND ended_ms IS NULL AND NOT takes_all
