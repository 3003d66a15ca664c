-- Writes a row without meaning, to check that the store takes writes.
INSERT INTO checks (one, time_ms)
VALUES (1, now_ms())
ON CONFLICT (one) DO UPDATE SET time_ms = excluded.time_ms
