-- The last DELETE_ALL of each topic of a tenant.
SELECT topic, position
FROM epochs
WHERE tenant = ?
