-- Inserts a lane of a new store, without a holder.
INSERT INTO leases (lane, term, expires_ms)
VALUES (?, 0, 0)
