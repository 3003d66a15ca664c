-- How many tenants have no lane, when there are so many.
SELECT count(*) AS beyond FROM tenants
WHERE lane >= $1
