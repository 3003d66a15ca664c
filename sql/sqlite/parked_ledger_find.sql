-- The last transition of what a log has parked; 0 if nothing: tenant, log id.
SELECT coalesce(max(ledger), 0) AS ledger
FROM parked
WHERE tenant = ? AND log_id = ?
