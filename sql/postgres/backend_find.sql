-- Which of the server's processes answers. Only PostgreSQL: a pooler may stand between, and hand a session
-- from one server process to another.
SELECT pg_backend_pid()::bigint AS pid
