-- Finds the numbers of partitions of topics: arrays of tenants and of topics.
SELECT tenant, topic, partitions
FROM unnest($1::text[], $2::text[]) AS named (tenant, topic)
JOIN topic_partitions USING (tenant, topic)
