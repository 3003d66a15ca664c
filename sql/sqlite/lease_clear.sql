-- Ends all leases when a `serve` starts. Only SQLite: one `serve` has the file, so an older lease is nobody's.
UPDATE leases
SET holder = NULL
