-- Removes the tenant's own row when its purge begins, so that it has no log any more.
DELETE FROM tenants WHERE tenant = ?1
