-- A write that changes nothing of worth.
INSERT INTO checks (one, time_ms)
VALUES (1, ?)
ON CONFLICT (one) DO UPDATE SET time_ms = excluded.time_ms
