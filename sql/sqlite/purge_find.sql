-- Finds the purge of a log if it is under way: tenant, log id.
SELECT 1 FROM purges WHERE tenant = ?1 AND log_id = ?2 AND ended_ms IS NULL
