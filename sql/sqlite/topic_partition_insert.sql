-- Fixes the number of partitions of a topic, unless it is fixed: tenant, topic, number.
INSERT INTO topic_partitions (tenant, topic, partitions)
SELECT tenant, ?2, ?3
FROM tenants
WHERE tenant = ?1
ON CONFLICT (tenant, topic) DO NOTHING
