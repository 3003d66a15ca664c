-- Forgets all replicas when a `serve` starts. Only SQLite: one `serve` has the file, so none of them runs.
DELETE FROM replicas
