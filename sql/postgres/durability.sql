-- What a commit's durability hangs on, as this session has it, and the server's version.
SELECT name, setting
FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version_num')
