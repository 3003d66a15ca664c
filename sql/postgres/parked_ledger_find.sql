-- Finds the number of a log's last transition; 0 if nothing was ever parked: tenant, follower, log
-- id.
SELECT coalesce(max(ledger), 0) AS ledger
FROM parked
WHERE tenant = $1 AND follower = $2 AND log_id = $3::uuid
