-- How many tenants are enabled.
SELECT count(*) AS tenants FROM tenants
