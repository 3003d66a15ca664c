-- Lists the topics that a tenant's subjects have, or have had, each once: tenant.
SELECT DISTINCT topic
FROM subject_topics
WHERE tenant = $1
ORDER BY topic
