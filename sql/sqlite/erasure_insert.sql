-- Adds an erasure of a tenant that has a log, unless its record has one whose ERASED events are to come, or its id is known.
INSERT INTO erasures (tenant, id, subject, key, reason, topics, submitted_ms)
SELECT tenant, ?2, ?3, ?4, ?5, ?6, ?7
FROM tenants
WHERE tenant = ?1
ON CONFLICT DO NOTHING
