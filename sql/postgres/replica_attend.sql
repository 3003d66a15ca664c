-- A replica that is there for a while: its name, milliseconds. Forgets those that left without a word.
WITH forgotten AS (
    DELETE FROM replicas WHERE expires_ms < now_ms() - 60000 AND replica <> $1
)
INSERT INTO replicas (replica, expires_ms)
VALUES ($1, now_ms() + $2)
ON CONFLICT (replica) DO UPDATE SET expires_ms = excluded.expires_ms
