-- Lists the versions of the tables, oldest first.
SELECT version, compatible_with, release FROM schema_versions ORDER BY version
