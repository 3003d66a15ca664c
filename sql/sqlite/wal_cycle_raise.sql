-- Raises the file's number before the WAL is copied into it, so that an earlier copy of the file
-- has a lower number. Only SQLite: a WAL is a file that may be put beside another database.
UPDATE wal_cycles SET number = number + 1
