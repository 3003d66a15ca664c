-- Lists a tenant's erasures, newest first.
SELECT tenant, id, subject, key, reason, topics, submitted_ms, events, erased_to, last, completed_ms
FROM erasures
WHERE tenant = $1
ORDER BY submitted_ms DESC, id
