-- Whether there is a schema of that name.
SELECT 1 FROM pg_namespace WHERE nspname = $1
