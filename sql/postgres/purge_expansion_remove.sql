-- Removes the expansions of a tenant that is purged, or was: tenant.
DELETE FROM expansions WHERE tenant = $1
