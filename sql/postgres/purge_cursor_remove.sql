-- Removes the checkpoints of a tenant that is purged, or was: tenant.
DELETE FROM cursors WHERE tenant = $1
