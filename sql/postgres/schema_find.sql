-- Whether there is a schema of that name. Only PostgreSQL: SQLite has no schemas.
SELECT 1 FROM pg_namespace WHERE nspname = $1
