-- Finds a lane's lease if the lane was not taken since.
SELECT 1
FROM leases
WHERE lane = ? AND term = ? AND holder IS NOT NULL
