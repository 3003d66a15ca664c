-- What a session's promises rest on, as it has them: what a commit's durability hangs on, how texts are stored,
-- which schema its tables are in, and what the store needs of the server besides.
SELECT name, setting
FROM pg_settings
WHERE name IN (
    'fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'client_encoding', 'search_path',
    'server_version_num'
)
