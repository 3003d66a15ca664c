-- Removes all dead letters of a group that is removed: tenant, group.
DELETE FROM dead_letters
WHERE tenant = $1 AND name = $2
