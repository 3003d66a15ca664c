-- Finds the event that a cursor names, if the log has it: tenant, position, event id.
SELECT 1 FROM events WHERE tenant = ?1 AND position = ?2 AND event_id = ?3
