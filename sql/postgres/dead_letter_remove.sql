-- Removes dead letters of a group: tenant, group, array of positions.
DELETE FROM dead_letters
WHERE tenant = $1 AND name = $2 AND position = ANY($3)
