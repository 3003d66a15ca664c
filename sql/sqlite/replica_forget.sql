-- Replicas that left without a word before then.
DELETE FROM replicas
WHERE expires_ms < ?
