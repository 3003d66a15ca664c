-- Completes an erasure whose ERASED events were appended: tenant, id, time.
UPDATE erasures
SET completed_ms = $3
WHERE tenant = $1 AND id = $2 AND last IS NOT NULL AND completed_ms IS NULL
