-- When changes are synced to disk: must be 2 (FULL) or 3 (EXTRA), of this connection.
PRAGMA synchronous
