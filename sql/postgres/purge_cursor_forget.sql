-- Forgets a follower's checkpoint of a log that is purged: tenant, follower.
DELETE FROM cursors WHERE tenant = $1 AND follower = $2
