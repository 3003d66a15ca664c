-- For each log of a lane that ever parked something: its last transition, and how much is not over.
SELECT tenant, parked.log_id AS log_id, max(ledger) AS ledger,
    count(*) FILTER (WHERE state IN ('parked', 'releasing')) AS open
FROM tenants JOIN parked USING (tenant)
WHERE lane = ?
GROUP BY tenant, parked.log_id
