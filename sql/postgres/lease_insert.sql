-- Inserts the lanes of a new store, without holders: their number.
INSERT INTO leases (lane, term, expires_ms)
SELECT lane, 0, 0 FROM generate_series(0, $1 - 1) AS lane
