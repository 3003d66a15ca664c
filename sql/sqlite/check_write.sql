-- A write that changes nothing of worth, as large as is asked.
INSERT INTO checks (one, time_ms, room)
VALUES (1, ?, zeroblob(?))
ON CONFLICT (one) DO UPDATE SET time_ms = excluded.time_ms, room = excluded.room
