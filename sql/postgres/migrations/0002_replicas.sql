-- Who is there to share the lanes.
CREATE TABLE replicas (
    replica    text COLLATE "C" NOT NULL PRIMARY KEY,
    expires_ms bigint NOT NULL
) WITH (fillfactor = 50);
