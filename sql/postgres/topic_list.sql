-- Lists the topics of a tenant's log, in order: one step in the index of topics for each.
WITH RECURSIVE topics (topic) AS (
    SELECT min(topic) FROM events WHERE tenant = $1
    UNION ALL
    SELECT (SELECT min(events.topic) FROM events WHERE tenant = $1 AND events.topic > topics.topic)
    FROM topics
    WHERE topics.topic IS NOT NULL
)
SELECT topic FROM topics WHERE topic IS NOT NULL
