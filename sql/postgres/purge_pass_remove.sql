-- Removes the notes of the sinks that have passed a purge of a tenant that is purged, or was: tenant.
DELETE FROM purge_passes WHERE tenant = $1
