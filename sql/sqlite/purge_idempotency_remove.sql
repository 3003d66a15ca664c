-- Removes some idempotency records of a tenant that is purged: tenant, how many at most.
DELETE FROM idempotency
WHERE (tenant, event_id) IN (SELECT tenant, event_id FROM idempotency WHERE tenant = ?1 LIMIT ?2)
