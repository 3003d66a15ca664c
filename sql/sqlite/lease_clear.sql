-- Who begins to serve a folder is alone there: a lease of before is nobody's. Only SQLite: one `serve` has
-- the file, so no lease of before can be another's.
UPDATE leases
SET holder = NULL
