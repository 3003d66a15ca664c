-- Whether a schema was made: its name.
SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = '_sqlx_migrations'
