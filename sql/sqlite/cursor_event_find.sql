-- Finds the event that a cursor names, if the log has it: tenant, position, event id, time. Only SQLite: its
-- one writer reads it before it writes the checkpoint, which elsewhere is one statement.
SELECT 1 FROM events WHERE tenant = ?1 AND position = ?2 AND event_id = ?3 AND time_ms = ?4
