-- Removes some subscriptions of a tenant that is purged: tenant, how many at most.
DELETE FROM subscriptions
WHERE ctid = ANY(ARRAY(SELECT ctid FROM subscriptions WHERE tenant = $1 LIMIT $2))
