-- How many frames the WAL has; nothing is copied. Only SQLite: a WAL is a file that may be put beside
-- another database.
PRAGMA wal_checkpoint(NOOP)
