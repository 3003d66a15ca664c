-- A replica that goes.
DELETE FROM replicas
WHERE replica = $1
