-- Notes the id of an event that was removed and whose id is forgotten later: tenant, position,
-- event id, time. Only SQLite: PostgreSQL does it in the statement that removes or forgets.
INSERT INTO removed_ids (tenant, position, event_id, time_ms) VALUES (?1, ?2, ?3, ?4)
