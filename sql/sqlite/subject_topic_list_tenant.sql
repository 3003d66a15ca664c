-- Lists the topics that any subject of a tenant has, or has had.
SELECT DISTINCT topic
FROM subject_topics
WHERE tenant = ?1
ORDER BY topic
