-- The new ends of some tenants' logs; one tuple per tenant. The mark rises above all of its lane.
WITH raised (tenant, position, time_ms) AS (VALUES (?, ?, ?))
UPDATE heads
SET position = raised.position,
    time_ms = raised.time_ms,
    mark = (SELECT max(others.mark) + 1 FROM heads AS others WHERE others.lane = heads.lane)
FROM raised
WHERE heads.tenant = raised.tenant
