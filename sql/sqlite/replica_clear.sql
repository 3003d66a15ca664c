-- Who begins to serve a folder is alone there.
DELETE FROM replicas
