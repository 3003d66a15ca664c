-- How changes are journaled: must be `wal`.
PRAGMA journal_mode
