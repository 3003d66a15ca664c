-- A row of `parked` has the number of the transition that was written last. A cursor has the term under
-- which its checkpoint was written; a later holder's term is higher.
ALTER TABLE parked ADD COLUMN ledger INTEGER NOT NULL DEFAULT 0;
UPDATE parked SET ledger = 1 WHERE state IN ('parked', 'releasing');
ALTER TABLE cursors ADD COLUMN term INTEGER NOT NULL DEFAULT 0;
