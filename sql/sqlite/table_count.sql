-- How much of a schema a file has: none if it is new. Only SQLite: a file may be another program's
-- database.
SELECT count(*) AS tables FROM sqlite_schema
