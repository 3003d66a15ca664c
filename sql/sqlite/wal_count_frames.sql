-- Returns the number of frames of the WAL, and copies nothing. Only SQLite: a WAL is a file that
-- may be put beside another database.
PRAGMA wal_checkpoint(NOOP)
