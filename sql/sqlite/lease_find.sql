-- Whether a lane was not taken since.
SELECT 1
FROM leases
WHERE lane = ? AND epoch = ? AND holder IS NOT NULL
