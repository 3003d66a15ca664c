-- Lists the first events of a record that have content: tenant, key, the position after which they stand,
-- the record's topics as a JSON list, how many. Only SQLite: an update there has no limit of rows.
SELECT position
FROM events INDEXED BY events_key
WHERE tenant = ?1 AND key = ?2 AND position > ?3
    AND topic IN (SELECT value FROM json_each(?4))
    AND erased_ms IS NULL AND type <> 'ERASED'
ORDER BY position
LIMIT ?5
