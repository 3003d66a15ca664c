-- The last DELETE_ALL of each topic of some tenants; one tuple per tenant.
SELECT tenant, topic, position
FROM epochs
WHERE tenant IN (VALUES (?))
