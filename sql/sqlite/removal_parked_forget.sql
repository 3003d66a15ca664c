-- Forgets a follower's parked scopes: follower.
DELETE FROM parked WHERE follower = ?1
