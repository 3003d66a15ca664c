-- Finds the purge of a log if it is under way: tenant, log id.
-- It is locked, so that of two replicas one waits for the other.
SELECT 1 FROM purges WHERE tenant = $1 AND log_id = $2::uuid AND ended_ms IS NULL
FOR UPDATE
