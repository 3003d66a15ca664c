-- Ends all leases when a `serve` starts. Only SQLite: only one `serve` has the file, so the holder
-- of an older lease no longer runs.
UPDATE leases
SET holder = NULL
