-- Writes the first change to a new WAL. Only SQLite: a WAL is a file that may be put beside another
-- database.
UPDATE wal_cycles SET base = number, number = number + 1
