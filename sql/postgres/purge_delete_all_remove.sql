-- Removes the notes of the last DELETE_ALLs of a tenant that is purged, or was: tenant.
DELETE FROM delete_alls WHERE tenant = $1
