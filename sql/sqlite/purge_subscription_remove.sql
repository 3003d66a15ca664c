-- Removes some subscriptions of a tenant that is purged: tenant, how many at most.
DELETE FROM subscriptions
WHERE (tenant, name) IN (SELECT tenant, name FROM subscriptions WHERE tenant = ?1 LIMIT ?2)
