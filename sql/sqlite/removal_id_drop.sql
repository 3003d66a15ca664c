-- Drops the note of a removed event's id: tenant, position. Only SQLite: PostgreSQL does it in the
-- statement that removes or forgets.
DELETE FROM removed_ids WHERE tenant = ?1 AND position = ?2
