-- Removes claims that are over: how many at most.
DELETE FROM claims
WHERE ctid = ANY(ARRAY(SELECT ctid FROM claims WHERE until_ms <= now_ms() LIMIT $1)) AND until_ms <= now_ms()
