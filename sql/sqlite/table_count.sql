-- How much of a schema a file has: none if it is new.
SELECT count(*) AS tables FROM sqlite_schema
