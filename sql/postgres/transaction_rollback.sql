-- Ends a transaction that has written nothing. Only PostgreSQL: the adapter sends these words itself,
-- through poolers; rusqlite has calls for them.
ROLLBACK
