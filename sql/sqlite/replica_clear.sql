-- Who begins to serve a folder is alone there. Only SQLite: one `serve` has the file, so no replica of
-- before is there.
DELETE FROM replicas
