-- The store: one log per tenant, its followers' cursors, the parked scopes, and the leases of the
-- lanes. The words are those of the code. Positions, lanes, terms and times (epoch milliseconds)
-- are 64-bit integers; ids are UUIDs; names compare by their bytes.

-- Returns the store's time: the present moment, not the beginning of the transaction.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- Returns whether a lease or a heartbeat has not expired. One that was given at a time in the
-- future was given by a fast clock, and counts as expired; a second is tolerated, which a statement
-- may have waited after it asked for the time.
CREATE FUNCTION lasts(expires_ms bigint, ttl_ms bigint) RETURNS boolean LANGUAGE sql VOLATILE AS
    'SELECT expires_ms > now_ms() AND expires_ms <= now_ms() + ttl_ms + 1000';

-- The tenants that have a log; of a disabled one, since when.
-- `next_generation` lies above the generations and versions of all groups that were removed: those that are
-- made anew begin there.
CREATE TABLE tenants (
    tenant          text COLLATE "C" NOT NULL PRIMARY KEY,
    log_id          uuid   NOT NULL,
    lane            bigint NOT NULL,
    disabled_ms     bigint,
    next_generation bigint NOT NULL DEFAULT 0
);

CREATE INDEX tenants_lane ON tenants (lane, tenant);

-- The jobs of the tenant interface, each with the actor who asked for it. `attributes` is the request
-- as it was posted, and `messages` a JSON list.
CREATE TABLE tenant_jobs (
    tenant       text COLLATE "C" NOT NULL,
    id           text   NOT NULL,
    attributes   text   NOT NULL,
    who          text   NOT NULL,
    issuer       text,
    request_id   text,
    submitted_ms bigint NOT NULL,
    messages     text   NOT NULL,
    error        text,
    completed_ms bigint,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX tenant_jobs_open ON tenant_jobs (submitted_ms) WHERE completed_ms IS NULL;

-- The tenants that are being purged, or were and have not come back, with the log that is removed.
CREATE TABLE purges (
    tenant     text COLLATE "C" NOT NULL PRIMARY KEY,
    log_id     uuid NOT NULL,
    lane       bigint NOT NULL,
    started_ms bigint NOT NULL,
    takes_all  boolean NOT NULL DEFAULT FALSE,
    ended_ms   bigint
);

-- The sinks that have passed a purge: they publish nothing of the tenant any more, and have forgotten
-- its log; and whether what they had of the tenant is removed.
CREATE TABLE purge_passes (
    tenant   text COLLATE "C" NOT NULL,
    follower text COLLATE "C" NOT NULL,
    removed  boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (tenant, follower)
);

-- The sinks that replicas are or were configured with, until they are forgotten.
CREATE TABLE sinks (
    follower text COLLATE "C" NOT NULL PRIMARY KEY
);

-- The ids that each log has had, by number, each with the first position that is published under
-- it. Rows are only added.
CREATE TABLE incarnations (
    tenant text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    log_id uuid   NOT NULL,
    start  bigint NOT NULL,
    PRIMARY KEY (tenant, number)
);

-- The head of each log. The rows are narrow, since every append writes one, with room beside each
-- row for its next versions. Only `lane` and `version_span` are indexed, and `version_span` rises
-- once in 1,024 of the server's transactions: all other updates stay on their page (HOT). See
-- store/postgres/read.rs.
CREATE TABLE heads (
    tenant       text COLLATE "C" NOT NULL PRIMARY KEY,
    lane         bigint NOT NULL,
    position     bigint NOT NULL,
    time_ms      bigint NOT NULL,
    version      bigint,
    version_span bigint GENERATED ALWAYS AS (version >> 10) STORED
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX heads_version_span ON heads (lane, version_span);

-- The logs. One table: no partition could be dropped whole, since retention is per topic and a row
-- at a cursor stays. New rows go to the right end of each tenant's stretch of the primary key, and of
-- each topic's in the index of topics (in the index of keys: anywhere). No index has times: they rise
-- with positions, and are searched along them. Vacuum runs after every few per cent, not after a fifth, of 10^8 rows.
CREATE TABLE events (
    tenant          text COLLATE "C" NOT NULL,
    position        bigint NOT NULL,
    time_ms         bigint NOT NULL,
    last_delete_all bigint,
    erased_ms       bigint,
    event_id        uuid   NOT NULL,
    topic           text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    type            text COLLATE "C" NOT NULL,
    headers         text   NOT NULL,
    payload         bytea  NOT NULL,
    PRIMARY KEY (tenant, position)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

CREATE INDEX events_key ON events (tenant, key, position);

CREATE INDEX events_topic ON events (tenant, topic, position);

-- Payloads of more than 2 kB are compressed by lz4, where the server was built with it and is no older
-- than version 14: the default (pglz) takes longer than all the rest of an insert.
DO $$
BEGIN
    EXECUTE 'ALTER TABLE events ALTER COLUMN payload SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
    NULL;
END
$$;

-- The event ids in use, each with the fingerprint of its content; also the only way to find an
-- event by its id.
CREATE TABLE idempotency (
    tenant      text COLLATE "C" NOT NULL,
    event_id    uuid   NOT NULL,
    position    bigint NOT NULL,
    time_ms     bigint NOT NULL,
    fingerprint bytea  NOT NULL,
    PRIMARY KEY (tenant, event_id)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- The position of each topic's last DELETE_ALL.
CREATE TABLE delete_alls (
    tenant   text COLLATE "C" NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, topic)
);

-- How far events of each topic were removed: up to below `floor` by retention, and up to
-- `compacted_to` wherever later events of their keys replaced them. Neither falls.
CREATE TABLE floors (
    tenant       text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    floor        bigint NOT NULL,
    compacted_to bigint NOT NULL,
    PRIMARY KEY (tenant, topic)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- How far the DELETE_ALLs are carried out that are expanded, by the position of each request.
CREATE TABLE expansions (
    tenant    text COLLATE "C" NOT NULL,
    request   bigint NOT NULL,
    topic     text COLLATE "C" NOT NULL,
    walked_to bigint NOT NULL,
    last      bigint NOT NULL,
    PRIMARY KEY (tenant, request)
);

-- The topics that each entity and process event has, or has had.
CREATE TABLE subject_topics (
    tenant  text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    topic   text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, subject, topic)
);

-- The erasures. `topics` is a JSON list. `erased_to` is the position up to which the record's events are
-- empty; `last` is that of the last ERASED event, and null before.
CREATE TABLE erasures (
    tenant       text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    reason       text   NOT NULL,
    topics       text   NOT NULL,
    submitted_ms bigint NOT NULL,
    events       bigint NOT NULL DEFAULT 0,
    erased_to    bigint NOT NULL DEFAULT 0,
    last         bigint,
    completed_ms bigint,
    PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX erasures_emptying ON erasures (tenant, subject, key) WHERE last IS NULL;
CREATE INDEX erasures_open ON erasures (tenant, submitted_ms) WHERE completed_ms IS NULL;

-- The trail: who did what to what. It outlives its tenants, so no row hangs on one.
CREATE TABLE trail (
    number     bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time_ms    bigint NOT NULL,
    who        text   NOT NULL,
    issuer     text,
    tenant     text COLLATE "C",
    act        text   NOT NULL,
    object     text   NOT NULL,
    reason     text,
    request_id text
);

CREATE INDEX trail_time ON trail (time_ms, number);
CREATE INDEX trail_tenant ON trail (tenant, time_ms, number);

-- The ids of removed events that are still in use.
CREATE TABLE removed_ids (
    tenant   text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    event_id uuid   NOT NULL,
    time_ms  bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);

-- The checkpoints of followers, each with the term of the lease under which it was written: a later
-- holder's term is higher.
CREATE TABLE cursors (
    tenant   text COLLATE "C" NOT NULL,
    follower text COLLATE "C" NOT NULL,
    term     bigint NOT NULL,
    log_id   uuid   NOT NULL,
    position bigint NOT NULL,
    event_id uuid   NOT NULL,
    time_ms  bigint NOT NULL,
    PRIMARY KEY (tenant, follower)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- The parked scopes: a key of a topic, or without a key the whole topic, that a follower's sink
-- refuses. A scope is named by its first event. `ledger` is the number of the scope's last
-- transition.
CREATE TABLE parked (
    tenant      text COLLATE "C" NOT NULL,
    follower    text COLLATE "C" NOT NULL,
    event_id    uuid   NOT NULL,
    log_id      uuid   NOT NULL,
    position    bigint NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    key         text COLLATE "C",
    cause       text   NOT NULL,
    time_ms     bigint NOT NULL,
    state       text COLLATE "C" NOT NULL,
    ended       bigint,
    released_to bigint NOT NULL,
    counted_to  bigint NOT NULL,
    events      bigint NOT NULL,
    requested   text COLLATE "C",
    reason      text,
    ledger      bigint NOT NULL,
    PRIMARY KEY (tenant, follower, event_id)
);

-- The replays, by number. `plan` is JSON, and never changes; `target` is the topic that it names, if any; operators write `wish` and the rate, and the
-- lane's holder writes the progress, under the term with which it has claimed the row.
CREATE TABLE replays (
    tenant            text COLLATE "C" NOT NULL,
    number            bigint NOT NULL,
    id                uuid   NOT NULL,
    log_id            uuid   NOT NULL,
    submitted_ms      bigint NOT NULL,
    plan              text   NOT NULL,
    target            text COLLATE "C",
    until             bigint,
    total             bigint,
    events_per_second bigint,
    bytes_per_second  bigint,
    wish              text COLLATE "C" NOT NULL,
    wish_ms           bigint NOT NULL,
    term              bigint NOT NULL DEFAULT 0,
    position          bigint NOT NULL,
    sent_events       bigint NOT NULL DEFAULT 0,
    sent_bytes        bigint NOT NULL DEFAULT 0,
    skipped           bigint NOT NULL DEFAULT 0,
    refused           text COLLATE "C",
    closing           bigint,
    cause             text,
    outcome           text COLLATE "C",
    ended_ms          bigint,
    PRIMARY KEY (tenant, number)
);

CREATE UNIQUE INDEX replays_id ON replays (tenant, id);

CREATE INDEX replays_open ON replays (tenant) WHERE ended_ms IS NULL;
-- The subscriptions: how each group reads a tenant's log, and how far it has come. `version` rises
-- with every change of a row, which is written only upon the version that it was decided on.
-- `gaps_to` is a JSON object: of topics, the position up to which removed events are accepted as
-- missing. `parts` is one too, while Kafka clients read: of topics, the cursor of each partition; and so
-- is `halt`, while the group gets no events: since when and why.
CREATE TABLE subscriptions (
    tenant         text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    form           text   NOT NULL,
    position       bigint NOT NULL,
    delivered      bigint NOT NULL,
    scanned        bigint NOT NULL,
    gaps_to        text   NOT NULL,
    generation     bigint NOT NULL,
    reader         text,
    expires_ms     bigint NOT NULL,
    ttl_ms         bigint NOT NULL,
    went_back_from bigint,
    parts          text,
    halt           text,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- The dead letters of groups: events that count as done although their handlers have not done them. `joined_by`
-- tells which later events join them: none (`event`), those of the `key`, or of the `topic`. A `discarded` one
-- is no dead letter any more. `why` and
-- `attempts` are those of the last failure; an event that has joined another has none.
CREATE TABLE dead_letters (
    tenant      text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    position    bigint NOT NULL,
    topic       text   NOT NULL,
    key         text   NOT NULL,
    joined_by   text   NOT NULL,
    why         text,
    attempts    bigint NOT NULL,
    since_ms    bigint NOT NULL,
    is_redriven bigint NOT NULL,
    PRIMARY KEY (tenant, name, position)
);

-- The claims: actions that were done for events. `root_id` is the id of the first event of a chain, which may be any
-- text; `replay_id` is empty, or the replay whose claims are apart.
CREATE TABLE claims (
    tenant    text COLLATE "C" NOT NULL,
    action    text COLLATE "C" NOT NULL,
    replay_id text COLLATE "C" NOT NULL,
    root_id   text COLLATE "C" NOT NULL,
    until_ms  bigint NOT NULL,
    PRIMARY KEY (tenant, action, replay_id, root_id)
);

CREATE INDEX claims_until ON claims (until_ms);

-- The groups of Kafka clients. `scope` is a tenant's id, or `*` for a group over all tenants; `holder`
-- is the run of the replica that coordinates the group, `summary` the group in short, and `state` its
-- members, both as JSON. `version` rises with every change.
CREATE TABLE kafka_groups (
    scope   text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    holder  text   NOT NULL,
    summary text   NOT NULL,
    state   text   NOT NULL,
    PRIMARY KEY (scope, name)
) WITH (fillfactor = 50);

-- The replicas that listen for Kafka's clients, each with the number and the address that clients are
-- told. `instance` is the id of a replica's run.
CREATE TABLE listeners (
    node       bigint NOT NULL PRIMARY KEY,
    instance   text COLLATE "C" NOT NULL,
    host       text   NOT NULL,
    port       bigint NOT NULL,
    expires_ms bigint NOT NULL,
    ttl_ms     bigint NOT NULL
) WITH (fillfactor = 50);

-- Into how many partitions the listener divides a topic, since a client first asked for it.
CREATE TABLE topic_partitions (
    tenant     text COLLATE "C" NOT NULL,
    topic      text COLLATE "C" NOT NULL,
    partitions bigint NOT NULL,
    PRIMARY KEY (tenant, topic)
);

-- One row per lane, all made at once when the store is new; their count is the number of lanes.
CREATE TABLE leases (
    lane       bigint NOT NULL PRIMARY KEY,
    holder     text,
    term       bigint NOT NULL,
    expires_ms bigint NOT NULL,
    ttl_ms     bigint NOT NULL DEFAULT 5000
) WITH (fillfactor = 50);

-- The replicas that share the lanes. `instance` is the id of a replica's run.
CREATE TABLE replicas (
    replica    text COLLATE "C" NOT NULL PRIMARY KEY,
    instance   text COLLATE "C" NOT NULL,
    expires_ms bigint NOT NULL,
    ttl_ms     bigint NOT NULL
) WITH (fillfactor = 50);

-- One row that is written to check that the store takes writes.
CREATE TABLE checks (
    one     bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    time_ms bigint NOT NULL
) WITH (fillfactor = 50);

-- The versions of these tables, one for each migration: the least version whose code can work with the
-- tables from then on, and the release that brought it. Each migration adds its own.
CREATE TABLE schema_versions (
    version         bigint NOT NULL PRIMARY KEY,
    compatible_with bigint NOT NULL,
    release         text NOT NULL
);

INSERT INTO schema_versions (version, compatible_with, release) VALUES (1, 1, '0.1.0');
