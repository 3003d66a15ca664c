-- The last transition of each log of a lane that ever parked something.
SELECT tenant, parked.log_id::text AS log_id, max(ledger) AS ledger
FROM tenants JOIN parked USING (tenant)
WHERE lane = $1
GROUP BY tenant, parked.log_id
