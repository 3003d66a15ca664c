-- Removes the row of a group of Kafka clients, unless it has changed since it was found: scope, group,
-- version.
DELETE FROM kafka_groups
WHERE scope = ?1 AND name = ?2 AND version = ?3
