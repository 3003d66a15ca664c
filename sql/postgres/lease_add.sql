-- Adds the missing lanes, up to a number, with the term of the others.
INSERT INTO leases (lane, term, expires_ms)
SELECT lane, (SELECT max(term) FROM leases), 0 FROM generate_series(0, $1 - 1) AS lane
ON CONFLICT (lane) DO NOTHING
