-- Lists the groups of Kafka clients of a scope, without their members: scope.
SELECT name, version, holder, summary
FROM kafka_groups
WHERE scope = ?1
ORDER BY name
