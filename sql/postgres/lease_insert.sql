-- The lanes of a new store, held by nobody: their number.
INSERT INTO leases (lane, term, expires_ms)
SELECT lane, 0, 0 FROM generate_series(0, $1 - 1) AS lane
