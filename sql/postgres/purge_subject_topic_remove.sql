-- Removes the topics of a tenant that is purged, or was: tenant.
DELETE FROM subject_topics WHERE tenant = $1
