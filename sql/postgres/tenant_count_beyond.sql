-- Counts the tenants that would have no lane with a number of lanes.
SELECT count(*) AS beyond FROM tenants
WHERE lane >= $1
