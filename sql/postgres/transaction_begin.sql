-- Begins a transaction that writes. Each statement sees what was committed before it began, so what follows
-- a lock sees what was waited for. Only PostgreSQL: the adapter sends these words itself, through poolers;
-- rusqlite has calls for them.
BEGIN ISOLATION LEVEL READ COMMITTED
