-- The lanes of a new store, held by nobody; one tuple per lane.
INSERT INTO leases (lane, epoch, expires_ms)
VALUES (?, 0, 0)
