-- Finds an erasure of a tenant by its id.
SELECT tenant, id, subject, key, reason, topics, submitted_ms, events, erased_to, last, completed_ms
FROM erasures
WHERE tenant = $1 AND id = $2
