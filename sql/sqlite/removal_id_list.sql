-- Lists the ids of removed events that are older than a time, among the first of them, since times
-- rise with positions: tenant, time, how many at most. Only SQLite: PostgreSQL does it in the
-- statement that forgets them.
SELECT position, event_id
FROM (SELECT position, event_id, time_ms FROM removed_ids WHERE tenant = ?1 ORDER BY position LIMIT ?3)
WHERE time_ms < ?2
