-- Finds whether a schema of this name exists. Only PostgreSQL: SQLite has no schemas.
SELECT 1 FROM pg_namespace WHERE nspname = $1
