-- Notes that what a sink had of a purged tenant is removed: tenant, follower.
UPDATE purge_passes
SET removed = TRUE
WHERE tenant = $1 AND follower = $2
