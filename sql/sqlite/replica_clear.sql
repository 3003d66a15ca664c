-- Forgets all replicas when a `serve` starts. Only SQLite: only one `serve` has the file, so none
-- of the replicas runs.
DELETE FROM replicas
