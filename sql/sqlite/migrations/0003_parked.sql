-- What stays behind since Kafka refuses it: a key of a topic, or without a key the whole topic. Named
-- by its first event.
CREATE TABLE parked (
    tenant   TEXT NOT NULL REFERENCES tenants (tenant),
    event_id BLOB NOT NULL,
    log_id   TEXT NOT NULL,
    position INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    key      TEXT,
    cause    TEXT NOT NULL,
    time_ms  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    ended    INTEGER,
    released_to   INTEGER NOT NULL,
    counted_to  INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    requested    TEXT,
    reason   TEXT,
    PRIMARY KEY (tenant, event_id)
) STRICT, WITHOUT ROWID;
