-- The lanes from that number on are no more.
DELETE FROM leases
WHERE lane >= $1
