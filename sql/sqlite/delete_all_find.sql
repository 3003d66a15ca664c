-- The last DELETE_ALL of each topic of a tenant.
SELECT topic, position
FROM delete_alls
WHERE tenant = ?
