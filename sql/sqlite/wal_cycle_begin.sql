-- The first write to a WAL.
UPDATE wal_cycles SET base = number, number = number + 1
