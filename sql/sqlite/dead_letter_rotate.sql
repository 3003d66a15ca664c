-- Removes the dead letters beyond a position, up to which a log has the same events under its new id:
-- tenant, position.
DELETE FROM dead_letters
WHERE tenant = ?1 AND position > ?2
