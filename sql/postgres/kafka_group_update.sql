-- Changes the row of a group of Kafka clients, unless it has changed since it was found: scope, group,
-- version, holder, summary, state.
UPDATE kafka_groups
SET version = version + 1, holder = $4, summary = $5, state = $6
WHERE scope = $1 AND name = $2 AND version = $3
