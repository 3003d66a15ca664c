-- Adds the row of a group of Kafka clients, unless there is one: scope, group, the version before
-- (none: 0), holder, summary, state.
INSERT INTO kafka_groups (scope, name, version, holder, summary, state)
VALUES ($1, $2, $3 + 1, $4, $5, $6)
ON CONFLICT (scope, name) DO NOTHING
