-- Finds the run of the replica that coordinates a group of Kafka clients: scope, group.
SELECT holder
FROM kafka_groups
WHERE scope = $1 AND name = $2
