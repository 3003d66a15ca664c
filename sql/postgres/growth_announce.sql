-- Tells all who listen on a channel which tenants' logs have grown: channel, the teller's mark, array
-- of tenants. It need not be durable, so it does not wait for the disk. Only PostgreSQL: SQLite's log
-- is one process's own.
SELECT set_config('synchronous_commit', 'off', true), count(pg_notify($1, $2 || ' ' || tenant)) AS announced
FROM unnest($3::text[]) AS grown (tenant)
