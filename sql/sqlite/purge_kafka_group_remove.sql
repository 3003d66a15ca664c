-- Removes what the store has of some groups of Kafka's clients of a tenant that is purged: tenant, how many at most.
DELETE FROM kafka_groups
WHERE (scope, name) IN (SELECT scope, name FROM kafka_groups WHERE scope = ?1 LIMIT ?2)
