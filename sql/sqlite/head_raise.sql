-- The new end of a tenant's log: position, time, tenant. The version rises above all of its lane.
UPDATE heads
SET position = ?,
    time_ms = ?,
    version = (SELECT max(others.version) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
