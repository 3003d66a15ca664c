-- Removes erasures that were completed before a time: time, how many at most.
DELETE FROM erasures
WHERE (tenant, id) IN (
    SELECT tenant, id FROM erasures WHERE completed_ms < ?1 ORDER BY completed_ms LIMIT ?2
)
