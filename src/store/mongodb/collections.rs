//! The collections, named like the tables of the SQL stores, and their indexes.
//!
//! They are created at start, perhaps by several replicas at once. Their words are those of the
//! code; positions and terms are 64-bit integers, times are epoch milliseconds, event ids are UUIDs
//! of subtype 4, log ids are hyphenated text.
//!
//! | collection     | `_id`                        | fields                                     |
//! |----------------|------------------------------|--------------------------------------------|
//! | `tenants`      | tenant                       | log_id, lane, removals (how many steps),   |
//! |                |                              | disabled_ms (while it is disabled),        |
//! |                |                              | next_generation (once a group was removed) |
//! | `tenant_jobs`  | {tenant, id}                 | attributes, who, issuer, request_id,       |
//! |                |                              | submitted_ms, messages, error,             |
//! |                |                              | completed_ms                               |
//! | `purges`       | tenant                       | log_id, lane, started_ms, position and     |
//! |                |                              | time_ms (of the head), passed, steps,      |
//! |                |                              | ended_ms                                   |
//! | `incarnations` | {tenant, number}             | log_id, start                              |
//! | `heads`        | tenant                       | log_id, lane, position, time_ms, version,  |
//! |                |                              | disabled_ms (while it is disabled)         |
//! | `events`       | {tenant, position}           | event_id, topic, key, type, time_ms,       |
//! |                |                              | last_delete_all, erased_ms, headers,       |
//! |                |                              | payload                                    |
//! | `idempotency`  | {tenant, event_id}           | position, time_ms, fingerprint             |
//! | `delete_alls`  | {tenant, topic}              | position                                   |
//! | `floors`       | {tenant, topic}              | floor, compacted_to                        |
//! | `expansions`   | {tenant, request}            | topic, walked_to, last                     |
//! | `removed_ids`  | {tenant, position}           | event_id, time_ms                          |
//! | `subject_topics` | {tenant, subject, topic}   | noted                                      |
//! | `erasures`     | {tenant, id}                 | subject, key, reason, topics,              |
//! |                |                              | submitted_ms, events, erased_to, last,     |
//! |                |                              | completed_ms, open (while in progress),    |
//! |                |                              | empties (while `last` is missing)          |
//! | `trail`        | {word}                       | time_ms, who, issuer, tenant, act, object, |
//! |                |                              | reason, request_id                         |
//! | `sinks`        | {follower}                   |                                            |
//! | `cursors`      | {tenant, follower}           | log_id, position, event_id, term           |
//! | `lanes`        | lane                         | tenants (how many are in the lane); in the |
//! |                |                              | first, introduced (how many there were)    |
//! | `leases`       | lane                         | holder, term, expires, ttl_ms,             |
//! |                |                              | parkings (how many were written)           |
//! | `parked`       | {tenant, follower, event_id} | lane, log_id, position, topic, key, cause, |
//! |                |                              | time_ms, state, ended, released_to,        |
//! |                |                              | counted_to, events, requested, reason,     |
//! |                |                              | ledger                                     |
//! | `replays`      | {tenant, number}             | id, log_id, submitted_ms, plan, target,    |
//! |                |                              | until, total, events_per_second,           |
//! |                |                              | bytes_per_second, wish, wish_ms, term,     |
//! |                |                              | position, sent_events, sent_bytes,         |
//! |                |                              | skipped, refused, closing, cause, outcome, |
//! |                |                              | ended_ms                                   |
//! | `replicas`     | replica                      | instance, expires, ttl_ms                  |
//! | `subscriptions` | {tenant, name}              | version, form, position, delivered,        |
//! |                |                              | scanned, gaps_to, generation, reader,      |
//! |                |                              | expires_ms, ttl_ms, went_back_from, parts, |
//! |                |                              | halt                                       |
//! | `dead_letters` | {tenant, name, position}     | topic, key, joined_by, why, attempts,      |
//! |                |                              | since_ms, is_redriven                      |
//! | `claims`       | {tenant, action, replay_id,  | until_ms                                   |
//! |                | root_id}                     |                                            |
//! | `kafka_groups` | {scope, name}                | version, holder, summary, state            |
//! | `listeners`    | node                         | instance, host, port, expires, ttl_ms      |
//! | `topic_partitions` | {tenant, topic}          | partitions                                 |
//! | `transactions` | session                      | begun, time, open                          |
//! | `checks`       | 1                            | time                                       |
//! | `versions`     | version (of all of this)     | version, compatible_with, release          |
//!
//! A tenant's log id, lane and `disabled_ms` stand in its head too, and change together with it.
//! Rows that are written one by one (`cursors`, `leases`, `replays`, `subscriptions`,
//! `claims`, `kafka_groups`, `listeners`, `replicas`, `checks`) are never changed by a transaction,
//! which would hold such writes up for as long as it lasts. The exceptions are the resize of lanes,
//! when no replica runs, the rotation of a log's id, when its lane rests, and acts and dead
//! letters, which are few: the trail, or the group's row, has them in the same transaction.

use ::mongodb::bson::{Document, doc};
use ::mongodb::options::{Hint, IndexOptions};
use ::mongodb::{Database, IndexModel};
use futures_util::TryStreamExt;

use super::error::{is_there, reading, writing};
use super::open_transactions::OpenTransactions;
use super::rows::Rows;
use crate::store::Error;
use crate::store::error::{made_before, nothing_there};
use crate::store::schema_version::{Age, SchemaVersion, compare, refuse_older, schema_version};

/// The versions of the collections and their fields, oldest first: the number, the least number
/// whose code can work with them from then on, and the release that brought it.
const VERSIONS: &[(i64, i64, &str)] = &[(1, 1, "0.1.0")];
/// A collection of databases that were made before there were versions.
const BEFORE_VERSIONS: &str = "epochs";

/// The indexes of events by their positions, and by those of their key or topic.
pub(super) const BY_POSITION: &str = "_id_";
pub(super) const BY_KEY: &str = "key";
pub(super) const BY_TOPIC: &str = "topic";

/// All collections.
pub(super) struct Collections {
    pub(super) tenants: Rows,
    pub(super) tenant_jobs: Rows,
    pub(super) purges: Rows,
    pub(super) incarnations: Rows,
    pub(super) heads: Rows,
    pub(super) events: Rows,
    pub(super) idempotency: Rows,
    pub(super) delete_alls: Rows,
    pub(super) floors: Rows,
    pub(super) expansions: Rows,
    pub(super) subject_topics: Rows,
    pub(super) erasures: Rows,
    pub(super) trail: Rows,
    pub(super) removed_ids: Rows,
    pub(super) sinks: Rows,
    pub(super) cursors: Rows,
    pub(super) lanes: Rows,
    pub(super) leases: Rows,
    pub(super) parked: Rows,
    pub(super) replays: Rows,
    pub(super) replicas: Rows,
    pub(super) subscriptions: Rows,
    pub(super) dead_letters: Rows,
    pub(super) claims: Rows,
    pub(super) kafka_groups: Rows,
    pub(super) listeners: Rows,
    pub(super) topic_partitions: Rows,
    pub(super) open_transactions: OpenTransactions,
    pub(super) checks: Rows,
    pub(super) versions: Rows,
}

impl Collections {
    /// Names the collections of one database.
    pub(super) fn new(database: &Database) -> Self {
        let rows = |name| database.collection(name);
        Self {
            tenants: rows("tenants"),
            tenant_jobs: rows("tenant_jobs"),
            purges: rows("purges"),
            incarnations: rows("incarnations"),
            heads: rows("heads"),
            events: rows("events"),
            idempotency: rows("idempotency"),
            delete_alls: rows("delete_alls"),
            floors: rows("floors"),
            expansions: rows("expansions"),
            subject_topics: rows("subject_topics"),
            erasures: rows("erasures"),
            trail: rows("trail"),
            removed_ids: rows("removed_ids"),
            sinks: rows("sinks"),
            cursors: rows("cursors"),
            lanes: rows("lanes"),
            leases: rows("leases"),
            parked: rows("parked"),
            replays: rows("replays"),
            replicas: rows("replicas"),
            subscriptions: rows("subscriptions"),
            dead_letters: rows("dead_letters"),
            claims: rows("claims"),
            kafka_groups: rows("kafka_groups"),
            listeners: rows("listeners"),
            topic_partitions: rows("topic_partitions"),
            open_transactions: OpenTransactions::new(rows("transactions")),
            checks: rows("checks"),
            versions: rows("versions"),
        }
    }

    /// Returns the versions of the collections, oldest first; none if they are not complete.
    /// Refuses those that were made before there were versions.
    async fn recorded(&self, database: &Database) -> Result<Vec<SchemaVersion>, Error> {
        let there = reading(database.list_collection_names()).await?;
        if there.iter().any(|name| name == BEFORE_VERSIONS) {
            return Err(made_before(&told(database), 0));
        }
        // Before the first release the number alone was recorded; `serve` adds the rest.
        let complete = doc! { "compatible_with": { "$exists": true } };
        let in_order = self.versions.find(complete).sort(doc! { "_id": 1 });
        let rows: Vec<_> = reading(async { in_order.await?.try_collect().await }).await?;
        rows.iter().map(|row| schema_version(&**row)).collect()
    }

    /// Refuses a database without the collections, or with those that this version can't work with
    /// as they are. Creates nothing.
    pub(super) async fn made(&self, database: &Database) -> Result<(), Error> {
        let recorded = self.recorded(database).await?;
        if recorded.is_empty() {
            return Err(nothing_there("database", database.name()));
        }
        refuse_older(&told(database), &recorded, ours())
    }

    /// Returns the indexes of each collection, by name.
    fn indexes(&self) -> [(&Rows, Vec<(&'static str, Document)>); 15] {
        [
            (
                &self.trail,
                vec![
                    ("time", doc! { "time_ms": 1, "_id.word": 1 }),
                    ("tenant", doc! { "tenant": 1, "time_ms": 1, "_id.word": 1 }),
                ],
            ),
            (&self.tenant_jobs, vec![("open", doc! { "completed_ms": 1, "submitted_ms": 1 })]),
            (&self.expansions, vec![("tenant", doc! { "_id.tenant": 1 })]),
            (&self.subject_topics, vec![("subject", doc! { "_id.tenant": 1, "_id.subject": 1 })]),
            (&self.floors, vec![("tenant", doc! { "_id.tenant": 1 })]),
            (&self.subscriptions, vec![("tenant", doc! { "_id.tenant": 1 })]),
            (
                &self.dead_letters,
                vec![("group", doc! { "_id.tenant": 1, "_id.name": 1, "_id.position": 1 })],
            ),
            (
                &self.claims,
                vec![("tenant", doc! { "_id.tenant": 1 }), ("until", doc! { "until_ms": 1 })],
            ),
            (&self.cursors, vec![("tenant", doc! { "_id.tenant": 1 })]),
            (&self.incarnations, vec![("tenant", doc! { "_id.tenant": 1, "_id.number": 1 })]),
            (&self.tenants, vec![("lane", doc! { "lane": 1, "_id": 1 })]),
            (
                &self.parked,
                vec![
                    ("tenant", doc! { "_id.tenant": 1, "_id.follower": 1 }),
                    ("lane", doc! { "lane": 1, "state": 1 }),
                ],
            ),
            (
                &self.replays,
                vec![
                    ("tenant", doc! { "_id.tenant": 1, "_id.number": 1 }),
                    ("id", doc! { "_id.tenant": 1, "id": 1 }),
                    ("open", doc! { "_id.tenant": 1, "ended_ms": 1 }),
                ],
            ),
            (&self.heads, vec![("version", doc! { "lane": 1, "version": 1 })]),
            (
                &self.events,
                vec![
                    (BY_KEY, doc! { "_id.tenant": 1, "key": 1, "_id.position": 1 }),
                    (BY_TOPIC, doc! { "_id.tenant": 1, "topic": 1, "_id.position": 1 }),
                ],
            ),
        ]
    }

    /// Creates the missing collections and their indexes, since a transaction can't create them.
    /// Those of a later version are left as they are.
    pub(super) async fn make(&self, database: &Database) -> Result<(), Error> {
        let recorded = self.recorded(database).await?;
        if compare(&told(database), &recorded, ours())? == Age::Newer {
            return Ok(());
        }
        let open_transactions = self.open_transactions.rows();
        for rows in [
            &self.purges,
            &self.idempotency,
            &self.delete_alls,
            &self.removed_ids,
            &self.kafka_groups,
            &self.listeners,
            &self.topic_partitions,
            &self.lanes,
            &self.leases,
            &self.replicas,
            open_transactions,
            &self.checks,
        ] {
            let create = async {
                match database.create_collection(rows.name()).await {
                    Err(error) if is_there(&error) => Ok(()),
                    other => other,
                }
            };
            writing(create).await?;
        }
        for (rows, indexes) in self.indexes() {
            let models = indexes.iter().map(|(name, keys)| index(name, keys.clone()));
            writing(rows.create_indexes(models)).await?;
        }
        writing(self.erasures.create_index(one_that_empties())).await?;
        // The version is written last, so that a process that finds it finds everything.
        for (version, compatible_with, release) in VERSIONS {
            let it = doc! {
                "version": version, "compatible_with": compatible_with, "release": release,
            };
            let record = self.versions.update_one(doc! { "_id": version }, doc! { "$set": it });
            writing(record.upsert(true)).await?;
        }
        // A replica of a later version may have made its own meanwhile.
        compare(&told(database), &self.recorded(database).await?, ours()).map(drop)
    }
}

/// Returns the version that this code makes.
fn ours() -> i64 {
    VERSIONS.last().map_or(0, |(version, ..)| *version)
}

fn told(database: &Database) -> String {
    format!("the database `{}`", database.name())
}

/// Names the index that a call uses. Left to itself, the server tries several and keeps the plan
/// that did best on some other log, whose topics may be larger or smaller by far.
pub(super) fn along(index: &str) -> Hint {
    Hint::Name(index.to_owned())
}

fn index(name: &str, keys: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Returns the index by which at most one erasure of a record is still to append its ERASED events.
fn one_that_empties() -> IndexModel {
    let empties = doc! { "empties": true };
    let options = IndexOptions::builder().name("empties".to_owned()).unique(true);
    let options = options.partial_filter_expression(empties).build();
    let record = doc! { "_id.tenant": 1, "subject": 1, "key": 1 };
    IndexModel::builder().keys(record).options(options).build()
}
