-- Lists the topics that a subject has, or has had.
SELECT topic
FROM subject_topics
WHERE tenant = $1 AND subject = $2
ORDER BY topic
