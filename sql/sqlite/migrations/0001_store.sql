-- The store: one log per tenant, its followers' cursors, the parked scopes, and the leases of the
-- lanes. The words are those of the code. Positions, terms and times (epoch milliseconds) are
-- 64-bit integers; event ids are 16 bytes; log ids are hyphenated text.

-- The tenants that have a log; of a disabled one, since when.
-- `next_generation` lies above the generations and versions of all groups that were removed: those that are
-- made anew begin there.
CREATE TABLE tenants (
    tenant          TEXT NOT NULL PRIMARY KEY,
    log_id          TEXT NOT NULL,
    lane            INTEGER NOT NULL,
    disabled_ms     INTEGER,
    next_generation INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX tenants_lane ON tenants (lane, tenant);

-- The jobs of the tenant interface, each with the actor who asked for it. `attributes` is the request
-- as it was posted, and `messages` a JSON list.
CREATE TABLE tenant_jobs (
    tenant       TEXT NOT NULL,
    id           TEXT NOT NULL,
    attributes   TEXT NOT NULL,
    who          TEXT NOT NULL,
    issuer       TEXT,
    request_id   TEXT,
    submitted_ms INTEGER NOT NULL,
    messages     TEXT NOT NULL,
    error        TEXT,
    completed_ms INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_jobs_open ON tenant_jobs (submitted_ms) WHERE completed_ms IS NULL;

-- The tenants that are being purged, or were and have not come back, with the log that is removed.
CREATE TABLE purges (
    tenant     TEXT NOT NULL PRIMARY KEY,
    log_id     TEXT NOT NULL,
    lane       INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    takes_all  INTEGER NOT NULL DEFAULT FALSE,
    ended_ms   INTEGER
) STRICT, WITHOUT ROWID;

-- The sinks that have passed a purge: they publish nothing of the tenant any more, and have forgotten
-- its log; and whether what they had of the tenant is removed.
CREATE TABLE purge_passes (
    tenant   TEXT NOT NULL,
    follower TEXT NOT NULL,
    removed  INTEGER NOT NULL DEFAULT FALSE,
    PRIMARY KEY (tenant, follower)
) STRICT, WITHOUT ROWID;

-- The sinks that replicas are or were configured with, until they are forgotten.
CREATE TABLE sinks (
    follower TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The ids that each log has had, by number, each with the first position that is published under
-- it. Rows are only added.
CREATE TABLE incarnations (
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    log_id TEXT NOT NULL,
    start  INTEGER NOT NULL,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

-- The head of each log. The rows are narrow, since every append writes one. A version rises above
-- all of its lane with every append. A row is never removed, not even by a purge, so that the
-- versions of a lane never fall, and no position is given twice.
CREATE TABLE heads (
    tenant   TEXT NOT NULL PRIMARY KEY,
    lane     INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time_ms  INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX heads_version ON heads (lane, version);

-- The logs. With a rowid: rows of 2 kB stand one beside the other in the order of their commits,
-- where a table without rowid would put most of each on overflow pages. No index has times: they
-- rise with positions, and are searched along them.
CREATE TABLE events (
    tenant          TEXT NOT NULL,
    position        INTEGER NOT NULL,
    event_id        BLOB NOT NULL,
    topic           TEXT NOT NULL,
    key             TEXT NOT NULL,
    type            TEXT NOT NULL,
    time_ms         INTEGER NOT NULL,
    last_delete_all INTEGER,
    erased_ms       INTEGER,
    headers         TEXT NOT NULL,
    payload         BLOB NOT NULL,
    PRIMARY KEY (tenant, position)
) STRICT;

CREATE INDEX events_key ON events (tenant, key, position);

CREATE INDEX events_topic ON events (tenant, topic, position);

-- The event ids in use, each with the fingerprint of its content; also the only way to find an
-- event by its id.
CREATE TABLE idempotency (
    tenant      TEXT NOT NULL,
    event_id    BLOB NOT NULL,
    position    INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (tenant, event_id)
) STRICT, WITHOUT ROWID;

-- The position of each topic's last DELETE_ALL.
CREATE TABLE delete_alls (
    tenant   TEXT NOT NULL,
    topic    TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tenant, topic)
) STRICT, WITHOUT ROWID;

-- How far events of each topic were removed: up to below `floor` by retention, and up to
-- `compacted_to` wherever later events of their keys replaced them. Neither falls.
CREATE TABLE floors (
    tenant       TEXT NOT NULL,
    topic        TEXT NOT NULL,
    floor        INTEGER NOT NULL,
    compacted_to INTEGER NOT NULL,
    PRIMARY KEY (tenant, topic)
) STRICT, WITHOUT ROWID;

-- How far the DELETE_ALLs are carried out that are expanded, by the position of each request.
CREATE TABLE expansions (
    tenant    TEXT NOT NULL,
    request   INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    walked_to INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    PRIMARY KEY (tenant, request)
) STRICT, WITHOUT ROWID;

-- The topics that each entity and process event has, or has had.
CREATE TABLE subject_topics (
    tenant  TEXT NOT NULL,
    subject TEXT NOT NULL,
    topic   TEXT NOT NULL,
    PRIMARY KEY (tenant, subject, topic)
) STRICT, WITHOUT ROWID;

-- The erasures. `topics` is a JSON list. `erased_to` is the position up to which the record's events are
-- empty; `last` is that of the last ERASED event, and null before.
CREATE TABLE erasures (
    tenant       TEXT NOT NULL,
    id           TEXT NOT NULL,
    subject      TEXT NOT NULL,
    key          TEXT NOT NULL,
    reason       TEXT NOT NULL,
    topics       TEXT NOT NULL,
    submitted_ms INTEGER NOT NULL,
    events       INTEGER NOT NULL DEFAULT 0,
    erased_to    INTEGER NOT NULL DEFAULT 0,
    last         INTEGER,
    completed_ms INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX erasures_emptying ON erasures (tenant, subject, key) WHERE last IS NULL;
CREATE INDEX erasures_open ON erasures (tenant, submitted_ms) WHERE completed_ms IS NULL;

-- The trail: who did what to what. It outlives its tenants, so no row hangs on one.
CREATE TABLE trail (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    time_ms    INTEGER NOT NULL,
    who        TEXT NOT NULL,
    issuer     TEXT,
    tenant     TEXT,
    act        TEXT NOT NULL,
    object     TEXT NOT NULL,
    reason     TEXT,
    request_id TEXT
) STRICT;

CREATE INDEX trail_time ON trail (time_ms, number);
CREATE INDEX trail_tenant ON trail (tenant, time_ms, number);

-- The ids of removed events that are still in use.
CREATE TABLE removed_ids (
    tenant   TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    time_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, position)
) STRICT, WITHOUT ROWID;

-- The checkpoints of followers, each with the term of the lease under which it was written: a later
-- holder's term is higher.
CREATE TABLE cursors (
    tenant   TEXT NOT NULL,
    follower TEXT NOT NULL,
    term     INTEGER NOT NULL,
    log_id   TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    time_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, follower)
) STRICT, WITHOUT ROWID;

-- The parked scopes: a key of a topic, or without a key the whole topic, that a follower's sink
-- refuses. A scope is named by its first event. `ledger` is the number of the scope's last
-- transition.
CREATE TABLE parked (
    tenant      TEXT NOT NULL,
    follower    TEXT NOT NULL,
    event_id    BLOB NOT NULL,
    log_id      TEXT NOT NULL,
    position    INTEGER NOT NULL,
    topic       TEXT NOT NULL,
    key         TEXT,
    cause       TEXT NOT NULL,
    time_ms     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    ended       INTEGER,
    released_to INTEGER NOT NULL,
    counted_to  INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    requested   TEXT,
    reason      TEXT,
    ledger      INTEGER NOT NULL,
    PRIMARY KEY (tenant, follower, event_id)
) STRICT, WITHOUT ROWID;

-- The replays, by number. `plan` is JSON, and never changes; `target` is the topic that it names, if any; operators write `wish` and the rate, and the
-- lane's holder writes the progress, under the term with which it has claimed the row.
CREATE TABLE replays (
    tenant            TEXT NOT NULL,
    number            INTEGER NOT NULL,
    id                TEXT NOT NULL,
    log_id            TEXT NOT NULL,
    submitted_ms      INTEGER NOT NULL,
    plan              TEXT NOT NULL,
    target            TEXT,
    until             INTEGER,
    total             INTEGER,
    events_per_second INTEGER,
    bytes_per_second  INTEGER,
    wish              TEXT NOT NULL,
    wish_ms           INTEGER NOT NULL,
    term              INTEGER NOT NULL DEFAULT 0,
    position          INTEGER NOT NULL,
    sent_events       INTEGER NOT NULL DEFAULT 0,
    sent_bytes        INTEGER NOT NULL DEFAULT 0,
    skipped           INTEGER NOT NULL DEFAULT 0,
    refused           TEXT,
    closing           INTEGER,
    cause             TEXT,
    outcome           TEXT,
    ended_ms          INTEGER,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX replays_id ON replays (tenant, id);

CREATE INDEX replays_open ON replays (tenant) WHERE ended_ms IS NULL;

-- The subscriptions: how each group reads a tenant's log, and how far it has come. `version` rises
-- with every change of a row, which is written only upon the version that it was decided on.
-- `gaps_to` is a JSON object: of topics, the position up to which removed events are accepted as
-- missing. `parts` is one too, while Kafka clients read: of topics, the cursor of each partition; and so
-- is `halt`, while the group gets no events: since when and why.
CREATE TABLE subscriptions (
    tenant         TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        INTEGER NOT NULL,
    form           TEXT NOT NULL,
    position       INTEGER NOT NULL,
    delivered      INTEGER NOT NULL,
    scanned        INTEGER NOT NULL,
    gaps_to        TEXT NOT NULL,
    generation     INTEGER NOT NULL,
    reader         TEXT,
    expires_ms     INTEGER NOT NULL,
    ttl_ms         INTEGER NOT NULL,
    went_back_from INTEGER,
    parts          TEXT,
    halt           TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- The dead letters of groups: events that count as done although their handlers have not done them. `joined_by`
-- tells which later events join them: none (`event`), those of the `key`, or of the `topic`. A `discarded` one
-- is no dead letter any more. `why` and
-- `attempts` are those of the last failure; an event that has joined another has none.
CREATE TABLE dead_letters (
    tenant      TEXT NOT NULL,
    name        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    topic       TEXT NOT NULL,
    key         TEXT NOT NULL,
    joined_by   TEXT NOT NULL,
    why         TEXT,
    attempts    INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,
    is_redriven INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, position)
) STRICT, WITHOUT ROWID;

-- The claims: actions that were done for events. `root_id` is the id of the first event of a chain, which may be any
-- text; `replay_id` is empty, or the replay whose claims are apart.
CREATE TABLE claims (
    tenant    TEXT NOT NULL,
    action    TEXT NOT NULL,
    replay_id TEXT NOT NULL,
    root_id   TEXT NOT NULL,
    until_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, action, replay_id, root_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_until ON claims (until_ms);

-- The groups of Kafka clients. `scope` is a tenant's id, or `*` for a group over all tenants; `holder`
-- is the run of the replica that coordinates the group, `summary` the group in short, and `state` its
-- members, both as JSON. `version` rises with every change.
CREATE TABLE kafka_groups (
    scope   TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    holder  TEXT NOT NULL,
    summary TEXT NOT NULL,
    state   TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Into how many partitions the listener divides a topic, since a client first asked for it.
CREATE TABLE topic_partitions (
    tenant     TEXT NOT NULL,
    topic      TEXT NOT NULL,
    partitions INTEGER NOT NULL,
    PRIMARY KEY (tenant, topic)
) STRICT, WITHOUT ROWID;

-- One row per lane, all made at once when the store is new; their count is the number of lanes.
-- `ttl_ms` is the time for which a lease was given, since a lease that was given at a time in the
-- future counts as expired.
CREATE TABLE leases (
    lane       INTEGER NOT NULL PRIMARY KEY,
    holder     TEXT,
    term       INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    ttl_ms     INTEGER NOT NULL DEFAULT 5000
) STRICT, WITHOUT ROWID;

-- The replicas that share the lanes. `instance` is the id of a replica's run.
CREATE TABLE replicas (
    replica    TEXT NOT NULL PRIMARY KEY,
    instance   TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    ttl_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row that is written to check that the store takes writes, as large as the last one that
-- failed.
CREATE TABLE checks (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    time_ms INTEGER NOT NULL,
    room    BLOB
) STRICT, WITHOUT ROWID;

-- The numbers by which a WAL is known to belong to the file. The file's number rises before a WAL
-- is copied into it whole, and with the first write to the next WAL, which also writes the number
-- that the file had then: its base.
CREATE TABLE wal_cycles (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    base   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO wal_cycles (one, number, base) VALUES (1, 0, 0);

-- The versions of these tables, one for each migration: the least version whose code can work with the
-- tables from then on, and the release that brought it. Each migration adds its own.
CREATE TABLE schema_versions (
    version         INTEGER NOT NULL PRIMARY KEY,
    compatible_with INTEGER NOT NULL,
    release         TEXT NOT NULL
) STRICT;

INSERT INTO schema_versions (version, compatible_with, release) VALUES (1, 1, '0.1.0');
