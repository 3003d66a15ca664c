-- The store: one log per tenant, the cursors of who follows it, and the leases of the lanes.
-- Words are those of the code. Positions, times (epoch milliseconds) and delete_alls are 64-bit integers;
-- event ids are 16 bytes; log ids are hyphenated text.

-- Who is enabled.
CREATE TABLE tenants (
    tenant TEXT NOT NULL PRIMARY KEY,
    log_id TEXT NOT NULL,
    lane   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tenants_lane ON tenants (lane, tenant);

-- The end of each log: narrow, since every append writes it. A row is never removed: the versions of
-- a lane must never fall back.
CREATE TABLE heads (
    tenant   TEXT NOT NULL PRIMARY KEY REFERENCES tenants (tenant),
    lane     INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time_ms  INTEGER NOT NULL,
    version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX heads_version ON heads (lane, version);

-- The logs. With a rowid: rows of 2 kB stand one beside the other in the order of their commits,
-- where a table without rowid would put most of each on overflow pages.
CREATE TABLE events (
    tenant   TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    topic    TEXT NOT NULL,
    key      TEXT NOT NULL,
    type     TEXT NOT NULL,
    time_ms  INTEGER NOT NULL,
    last_delete_all    INTEGER,
    headers  TEXT NOT NULL,
    payload  BLOB NOT NULL,
    PRIMARY KEY (tenant, position)
) STRICT;

CREATE INDEX events_key ON events (tenant, key, position);

CREATE INDEX events_time ON events (tenant, time_ms, position);

-- Which event ids were given, and for what content: also the only way to an event by its id.
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

-- How far followers have come.
CREATE TABLE cursors (
    tenant   TEXT NOT NULL,
    follower TEXT NOT NULL,
    log_id   TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    PRIMARY KEY (tenant, follower)
) STRICT, WITHOUT ROWID;

-- One row per lane, all made at once when the store is new: their number is the number of lanes.
CREATE TABLE leases (
    lane       INTEGER NOT NULL PRIMARY KEY,
    holder     TEXT,
    term       INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row that is written to learn whether the store takes writes.
CREATE TABLE checks (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
