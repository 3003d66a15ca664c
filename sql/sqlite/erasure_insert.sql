-- Adds an erasure, unless its record has one whose ERASED events are to come, or its id is known.
INSERT INTO erasures (tenant, id, subject, key, reason, topics, submitted_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
