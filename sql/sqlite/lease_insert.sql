-- A lane of a new store, held by nobody.
INSERT INTO leases (lane, term, expires_ms)
VALUES (?, 0, 0)
