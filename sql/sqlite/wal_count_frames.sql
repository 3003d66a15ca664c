-- How many frames the WAL has; nothing is copied.
PRAGMA wal_checkpoint(NOOP)
