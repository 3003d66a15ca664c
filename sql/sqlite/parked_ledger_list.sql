-- Lists the logs of a lane that ever parked something of a follower, with the number of the last
-- transition and the number of scopes that have not ended: lane, follower.
SELECT tenant, parked.log_id AS log_id, max(ledger) AS ledger,
    count(*) FILTER (WHERE state IN ('parked', 'releasing')) AS open
FROM tenants JOIN parked USING (tenant)
WHERE lane = ? AND follower = ?
GROUP BY tenant, parked.log_id
