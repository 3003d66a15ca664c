-- Writes a row without meaning, as large as the parameter says, to check that the store takes
-- writes.
INSERT INTO checks (one, time_ms, room)
VALUES (1, ?, zeroblob(?))
ON CONFLICT (one) DO UPDATE SET time_ms = excluded.time_ms, room = excluded.room
