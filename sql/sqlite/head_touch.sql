-- Has a tenant's log named to whoever asks what changed.
UPDATE heads
SET mark = (SELECT max(others.mark) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
