-- Removes some idempotency records of a tenant that is purged: tenant, how many at most.
DELETE FROM idempotency
WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency WHERE tenant = $1 LIMIT $2))
