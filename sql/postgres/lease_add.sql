-- So many lanes: those that are missing, with the epoch of the others.
INSERT INTO leases (lane, epoch, expires_ms)
SELECT lane, (SELECT max(epoch) FROM leases), 0 FROM generate_series(0, $1 - 1) AS lane
ON CONFLICT (lane) DO NOTHING
