-- Forgets an event id: tenant, event id.
DELETE FROM idempotency WHERE tenant = ?1 AND event_id = ?2
