-- Removes a dead letter: tenant, group, position.
DELETE FROM dead_letters
WHERE tenant = ?1 AND name = ?2 AND position = ?3
