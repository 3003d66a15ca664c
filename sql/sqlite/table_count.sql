-- Counts the tables of a file; 0 if it is new. Only SQLite: a file may be another program's
-- database.
SELECT count(*) AS tables FROM sqlite_schema
