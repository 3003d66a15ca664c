-- Raises the head of a tenant's log: position, time, tenant. Its version rises above all others of
-- its lane. Only SQLite: each row of an append is written by itself, which costs no round trip.
UPDATE heads
SET position = ?,
    time_ms = ?,
    version = (SELECT max(others.version) + 1 FROM heads AS others WHERE others.lane = heads.lane)
WHERE tenant = ?
