-- Begins a transaction whose statements all see one state. Only PostgreSQL: the adapter sends these words
-- itself, through poolers; rusqlite has calls for them.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
