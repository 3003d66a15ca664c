-- Reads the numbers of the file, or of the file with its WAL, depending on how it is opened. Only
-- SQLite: a WAL is a file that may be put beside another database.
SELECT number, base FROM wal_cycles
