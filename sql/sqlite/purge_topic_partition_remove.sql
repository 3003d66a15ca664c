-- Removes the numbers of partitions of a tenant that is purged, or was: tenant.
DELETE FROM topic_partitions WHERE tenant = ?1
