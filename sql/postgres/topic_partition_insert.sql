-- Fixes the numbers of partitions of topics, unless they are fixed: arrays of tenants, topics and
-- numbers.
INSERT INTO topic_partitions (tenant, topic, partitions)
SELECT tenant, topic, partitions
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS fixed (tenant, topic, partitions)
JOIN tenants USING (tenant)
ON CONFLICT (tenant, topic) DO NOTHING
