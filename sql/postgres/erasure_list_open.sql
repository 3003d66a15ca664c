-- Lists the erasures of all tenants that are in progress.
SELECT tenant, id, subject, key, reason, topics, submitted_ms, events, erased_to, last, completed_ms
FROM erasures
WHERE completed_ms IS NULL
ORDER BY tenant, submitted_ms, id
