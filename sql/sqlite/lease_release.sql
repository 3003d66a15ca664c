-- Gives a lane back, unless it was taken since.
UPDATE leases
SET holder = NULL
WHERE lane = ? AND term = ?
