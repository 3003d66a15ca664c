-- Removes a listener that stops, or whose replica has: number, run. Only PostgreSQL: an SQLite store has
-- one listener.
DELETE FROM listeners
WHERE node = $1 AND instance = $2
