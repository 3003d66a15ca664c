-- The numbers of the file, or with its WAL, depending on how it is opened.
SELECT number, base FROM wal_cycles
