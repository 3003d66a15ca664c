-- Begins a transaction that writes. Each statement sees everything that was committed before it
-- began, so a statement after a lock sees the commit that the lock waited for. Only PostgreSQL: the
-- adapter sends these words itself, through poolers; rusqlite has calls for them.
BEGIN ISOLATION LEVEL READ COMMITTED
