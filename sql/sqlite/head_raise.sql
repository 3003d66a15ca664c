-- The new end of a tenant's log: position, time, tenant. The mark rises above all of its lane.
UPDATE heads
SET position = ?,
    time_ms = ?,
    mark = (SELECT max(others.mark) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
