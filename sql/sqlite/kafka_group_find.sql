-- Finds the row of a group of Kafka clients: scope, group.
SELECT scope, name, version, holder, summary, state
FROM kafka_groups
WHERE scope = ?1 AND name = ?2
