-- Begins a transaction that writes. Each statement sees what was committed before it began, so
-- what follows a lock sees what was waited for.
BEGIN ISOLATION LEVEL READ COMMITTED
