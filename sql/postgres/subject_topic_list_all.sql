-- Lists the topics that were noted of any tenant, in order: after a tenant, a subject and a topic, how many at most.
SELECT tenant, subject, topic
FROM subject_topics
WHERE (tenant, subject, topic) > ($1, $2, $3)
ORDER BY tenant, subject, topic
LIMIT $4
