-- Finds the number of partitions of a topic: tenant, topic.
SELECT partitions FROM topic_partitions WHERE tenant = ?1 AND topic = ?2
