-- Which WAL belongs to the file. The number rises before a WAL is copied into the file whole, and in
-- the first write to the next one, which tells the number that the file had then: its base.
CREATE TABLE wal_cycles (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    base   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO wal_cycles (one, number, base) VALUES (1, 0, 0);

-- Room for a write that is as large as the last one that failed.
ALTER TABLE checks ADD COLUMN room BLOB;
