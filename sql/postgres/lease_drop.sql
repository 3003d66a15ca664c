-- Removes the lanes from a number on.
DELETE FROM leases
WHERE lane >= $1
