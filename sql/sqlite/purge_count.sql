-- Counts the purges that are under way.
SELECT count(*) AS purges FROM purges
WHERE ended_ms IS NULL
