-- Removes the floors of a tenant that is purged, or was: tenant.
DELETE FROM floors WHERE tenant = $1
