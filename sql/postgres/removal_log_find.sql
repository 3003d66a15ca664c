-- Finds a tenant's log, if it has this id, which it keeps until the transaction ends: tenant, id.
SELECT 1 AS found FROM tenants WHERE tenant = $1 AND log_id = $2::uuid FOR SHARE
