-- Adds the row of a group of Kafka clients, unless there is one: scope, group, the version before
-- (none: 0), holder, state.
INSERT INTO kafka_groups (scope, name, version, holder, state)
VALUES ($1, $2, $3 + 1, $4, $5)
ON CONFLICT (scope, name) DO NOTHING
