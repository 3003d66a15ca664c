-- Marks a tenant's head as changed, so that the next query for changed heads returns it.
UPDATE heads
SET version = pg_current_xact_id()::text::bigint
WHERE tenant = $1
