-- Forgets that a sink has passed purges, since it is gone and removes nothing any more: follower.
DELETE FROM purge_passes WHERE follower = $1
