-- Notes which topics subjects of a tenant have, unless that is known: tenant, arrays of subjects and of
-- their topics.
INSERT INTO subject_topics (tenant, subject, topic)
SELECT $1, subject, topic
FROM unnest($2::text[], $3::text[]) AS noted (subject, topic)
ON CONFLICT DO NOTHING
