-- Finds a lane's lease if the lane was not taken since; it can't be taken before this transaction
-- ends.
SELECT 1
FROM leases
WHERE lane = $1 AND term = $2 AND holder IS NOT NULL
FOR SHARE
