-- Finds whether sqlx's table of migrations exists: the name of the schema. Only PostgreSQL: a
-- schema is looked at by sqlx's own table, SQLite counts by `user_version`.
SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = '_sqlx_migrations'
