-- Removes the incarnations of a tenant that is purged, or was: tenant.
DELETE FROM incarnations WHERE tenant = $1
