-- What stays behind since Kafka refuses it: a key of a topic, or without a key the whole topic. Named
-- by its first event.
CREATE TABLE parked (
    tenant   text COLLATE "C" NOT NULL REFERENCES tenants (tenant),
    event_id uuid   NOT NULL,
    log_id   uuid   NOT NULL,
    position bigint NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    key      text COLLATE "C",
    cause    text   NOT NULL,
    time_ms  bigint NOT NULL,
    state    text COLLATE "C" NOT NULL,
    ended    bigint,
    released_to   bigint NOT NULL,
    counted_to  bigint NOT NULL,
    events   bigint NOT NULL,
    requested    text COLLATE "C",
    reason   text,
    PRIMARY KEY (tenant, event_id)
);
