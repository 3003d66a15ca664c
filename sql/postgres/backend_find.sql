-- Returns which of the server's processes answers. Only PostgreSQL: a pooler in between may hand a
-- session from one server process to another.
SELECT pg_backend_pid()::bigint AS pid
