-- Counts the groups of Kafka clients of a scope: scope.
SELECT count(*) AS kafka_groups FROM kafka_groups WHERE scope = ?1
