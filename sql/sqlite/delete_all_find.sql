-- Finds the last DELETE_ALL of each topic of a tenant. Only SQLite: each row of an append is asked
-- for by itself, which costs no round trip.
SELECT topic, position
FROM delete_alls
WHERE tenant = ?
