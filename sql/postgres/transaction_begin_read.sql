-- Begins a transaction whose statements all see one state.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
