-- Reads a tenant's events of at most eight topics after a position: each topic in its order in the
-- index, merged row by row. A topic that is null has none.
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?4 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?5 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?6 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?7 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?8 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?9 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?10 AND position > ?2
UNION ALL
SELECT position, event_id, topic, key, type, time_ms, last_delete_all, erased_ms, headers, payload
FROM events INDEXED BY events_topic WHERE tenant = ?1 AND topic = ?11 AND position > ?2
ORDER BY position
LIMIT ?3
