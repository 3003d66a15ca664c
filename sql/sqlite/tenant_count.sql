-- Counts the enabled tenants.
SELECT count(*) AS tenants FROM tenants
