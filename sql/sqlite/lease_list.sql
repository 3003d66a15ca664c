-- All lanes, and who holds each now; nobody is an empty name.
SELECT lane, CASE WHEN holder IS NOT NULL AND expires_ms > ? THEN holder ELSE '' END AS holder, epoch
FROM leases
ORDER BY lane
