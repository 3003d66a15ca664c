-- So many lanes: those that are missing, with the epoch of the others.
INSERT INTO leases (lane, epoch, expires_ms)
WITH RECURSIVE numbers (lane) AS (SELECT 0 UNION ALL SELECT lane + 1 FROM numbers WHERE lane + 1 < ?)
SELECT lane, (SELECT max(epoch) FROM leases), 0 FROM numbers WHERE true
ON CONFLICT (lane) DO NOTHING
