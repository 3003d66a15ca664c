-- Whether a lane was not taken since; nobody takes it before this transaction ends.
SELECT 1
FROM leases
WHERE lane = $1 AND term = $2 AND holder IS NOT NULL
FOR SHARE
