-- Finds a tenant's log, if it has this id, and the last event of a step, unless that was removed: tenant,
-- id, the position and the time of that event.
SELECT 1 FROM tenants JOIN heads USING (tenant)
WHERE tenant = ?1 AND log_id = ?2 AND position >= ?3 AND NOT EXISTS (
    SELECT 1 FROM events WHERE events.tenant = ?1 AND events.position = ?3 AND events.time_ms <> ?4
)
