-- Lists the rows of all groups of Kafka clients.
SELECT scope, name, version, holder, state
FROM kafka_groups
ORDER BY scope, name
