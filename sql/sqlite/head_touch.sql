-- Has a tenant's log named to whoever asks what changed.
UPDATE heads
SET version = (SELECT max(others.version) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
