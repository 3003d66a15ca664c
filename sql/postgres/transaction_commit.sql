-- Makes a transaction durable. Only PostgreSQL: the adapter sends these words itself, through poolers;
-- rusqlite has calls for them.
COMMIT
