-- Before the WAL is copied into the file: whoever copied the file earlier has a lower number. Only SQLite:
-- a WAL is a file that may be put beside another database.
UPDATE wal_cycles SET number = number + 1
