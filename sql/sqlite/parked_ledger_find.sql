-- Finds the number of a log's last transition; 0 if nothing was ever parked: tenant, follower, log
-- id.
SELECT coalesce(max(ledger), 0) AS ledger
FROM parked
WHERE tenant = ? AND follower = ? AND log_id = ?
