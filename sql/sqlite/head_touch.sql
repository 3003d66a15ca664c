-- Marks a tenant's head as changed, so that the next query for changed heads returns it.
UPDATE heads
SET version = (SELECT max(others.version) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
