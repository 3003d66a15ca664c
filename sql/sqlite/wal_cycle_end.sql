-- Before the WAL is copied into the file: whoever copied the file earlier has a lower number.
UPDATE wal_cycles SET number = number + 1
