-- Ends a transaction that has written nothing.
ROLLBACK
