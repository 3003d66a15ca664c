-- Notes that a subject has a topic, unless that is known.
INSERT INTO subject_topics (tenant, subject, topic)
VALUES (?1, ?2, ?3)
ON CONFLICT DO NOTHING
