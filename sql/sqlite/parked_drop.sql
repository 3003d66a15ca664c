-- Forgets what a log has parked: tenant, log id.
DELETE FROM parked
WHERE tenant = ?1 AND log_id = ?2
