-- Returns the settings that a session's promises rest on: durability, encodings, the schema of its tables,
-- and the server's version. Only PostgreSQL: the settings of a server are an operator's.
SELECT name, setting
FROM pg_settings
WHERE name IN (
    'fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'client_encoding', 'search_path',
    'server_version_num'
)
