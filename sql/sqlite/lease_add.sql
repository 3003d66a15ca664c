-- Adds the missing lanes, up to a number, with the term of the others.
INSERT INTO leases (lane, term, expires_ms)
WITH RECURSIVE numbers (lane) AS (SELECT 0 UNION ALL SELECT lane + 1 FROM numbers WHERE lane + 1 < ?)
SELECT lane, (SELECT max(term) FROM leases), 0 FROM numbers WHERE true
ON CONFLICT (lane) DO NOTHING
