-- A replica that is there until then: its name, the end.
INSERT INTO replicas (replica, expires_ms)
VALUES (?, ?)
ON CONFLICT (replica) DO UPDATE SET expires_ms = excluded.expires_ms
