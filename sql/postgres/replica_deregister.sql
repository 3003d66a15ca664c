-- Removes a replica that stops.
DELETE FROM replicas
WHERE replica = $1
