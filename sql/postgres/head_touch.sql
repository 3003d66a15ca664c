-- Has a tenant's log named to whoever asks what changed.
UPDATE heads
SET version = pg_current_xact_id()::text::bigint
WHERE tenant = $1
