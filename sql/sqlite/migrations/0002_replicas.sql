-- Who is there to share the lanes.
CREATE TABLE replicas (
    replica    TEXT NOT NULL PRIMARY KEY,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
