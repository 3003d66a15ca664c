-- Removes a subscription, unless it has changed since it was found: tenant, group, version.
DELETE FROM subscriptions
WHERE tenant = $1 AND name = $2 AND version = $3
