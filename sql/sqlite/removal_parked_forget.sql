-- Forgets a follower's parked scopes, of one log or all: follower, tenant or null.
DELETE FROM parked WHERE follower = ?1 AND (?2 IS NULL OR tenant = ?2)
