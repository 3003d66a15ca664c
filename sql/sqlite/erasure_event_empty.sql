-- Empties an event: tenant, position, time.
UPDATE events
SET payload = CAST('null' AS BLOB), headers = '[]', erased_ms = ?3
WHERE tenant = ?1 AND position = ?2
