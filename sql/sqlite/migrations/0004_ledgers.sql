-- The number of the parking transition that wrote a row last, and the term under which a cursor's
-- checkpoint was written: a later holder of the lane has a higher one.
ALTER TABLE parked ADD COLUMN ledger INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN term INTEGER NOT NULL DEFAULT 0;
