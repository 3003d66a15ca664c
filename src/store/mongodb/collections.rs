//! The collections, named like the tables of the SQL stores, and their indexes.
//!
//! Made at start, by several replicas at once where it happens so; feeds every file of this
//! adapter. Words are those of the code; positions and epochs are 64-bit integers, times are epoch
//! milliseconds, event ids are UUIDs of subtype 4, log ids are hyphenated text.
//!
//! | collection     | `_id`                | fields                                                       |
//! |----------------|----------------------|--------------------------------------------------------------|
//! | `tenants`      | tenant               | log_id, lane                                                 |
//! | `heads`        | tenant               | log_id, lane, position, time_ms, mark                        |
//! | `events`       | {tenant, position}   | event_id, topic, key, type, time_ms, epoch, headers, payload |
//! | `idempotency`  | {tenant, event_id}   | position, time_ms, fingerprint                               |
//! | `epochs`       | {tenant, topic}      | position                                                     |
//! | `cursors`      | {tenant, follower}   | log_id, position, event_id, term                             |
//! | `lanes`        | lane                 | tenants (how many are in the lane)                           |
//! | `leases`       | lane                 | holder, term, expires, ttl_ms,                              |
//! |                |                      | parkings (how many were written)                             |
//! | `parked`       | {tenant, event_id}   | lane, log_id, position, topic, key, cause, time, state,      |
//! |                |                      | ended, released_to, counted_to, events, requested, …        |
//! | `replicas`     | replica              | instance, expires, ttl_ms                                    |
//! | `transactions` | session              | begun, time, open                                            |
//! | `checks`       | 1                    | time                                                         |
//!
//! A tenant's log id and lane stand in its head too: they change with it or never. Rows that are
//! written one by one (`cursors`, `leases`, `replicas`, `checks`) are never changed by a
//! transaction, which would hold such writes up for as long as it lasts; but leases are when lanes
//! are resized, and nobody works on any.

use ::mongodb::bson::{Document, doc};
use ::mongodb::options::IndexOptions;
use ::mongodb::{Database, IndexModel};

use super::error::{is_there, reading, writing};
use super::open_transactions::OpenTransactions;
use super::rows::Rows;
use crate::store::Error;
use crate::store::error::nothing_there;

/// All of them.
pub(super) struct Collections {
    pub(super) tenants: Rows,
    pub(super) heads: Rows,
    pub(super) events: Rows,
    pub(super) idempotency: Rows,
    pub(super) delete_alls: Rows,
    pub(super) cursors: Rows,
    pub(super) lanes: Rows,
    pub(super) leases: Rows,
    pub(super) parked: Rows,
    pub(super) replicas: Rows,
    pub(super) open_transactions: OpenTransactions,
    pub(super) checks: Rows,
}

impl Collections {
    /// Of one database.
    pub(super) fn new(database: &Database) -> Self {
        let rows = |name| database.collection(name);
        Self {
            tenants: rows("tenants"),
            heads: rows("heads"),
            events: rows("events"),
            idempotency: rows("idempotency"),
            delete_alls: rows("delete_alls"),
            cursors: rows("cursors"),
            lanes: rows("lanes"),
            leases: rows("leases"),
            parked: rows("parked"),
            replicas: rows("replicas"),
            open_transactions: OpenTransactions::new(rows("transactions")),
            checks: rows("checks"),
        }
    }

    /// Refuses a database in which they were never made. (To look into one makes nothing.)
    pub(super) async fn made(&self, database: &Database) -> Result<(), Error> {
        let there = reading(database.list_collection_names()).await?;
        match there.iter().any(|name| name == self.lanes.name()) {
            true => Ok(()),
            false => Err(nothing_there("database", database.name())),
        }
    }

    /// Makes those that are missing, and their indexes: a transaction makes none of them.
    pub(super) async fn make(&self, database: &Database) -> Result<(), Error> {
        let open_transactions = self.open_transactions.rows();
        for rows in [
            &self.idempotency,
            &self.delete_alls,
            &self.cursors,
            &self.lanes,
            &self.leases,
            &self.replicas,
            open_transactions,
            &self.checks,
        ] {
            let name = rows.name();
            let create = async {
                match database.create_collection(name).await {
                    Err(error) if is_there(&error) => Ok(()),
                    other => other,
                }
            };
            writing(create).await?;
        }
        let indexes: [(&Rows, &[(&str, Document)]); 4] = [
            (&self.tenants, &[("lane", doc! { "lane": 1, "_id": 1 })]),
            (
                &self.parked,
                &[("tenant", doc! { "_id.tenant": 1 }), ("lane", doc! { "lane": 1, "state": 1 })],
            ),
            (&self.heads, &[("version", doc! { "lane": 1, "version": 1 })]),
            (
                &self.events,
                &[
                    ("key", doc! { "_id.tenant": 1, "key": 1, "_id.position": 1 }),
                    ("time", doc! { "_id.tenant": 1, "time_ms": 1, "_id.position": 1 }),
                ],
            ),
        ];
        for (rows, indexes) in indexes {
            let models = indexes.iter().map(|(name, keys)| index(name, keys.clone()));
            writing(rows.create_indexes(models)).await?;
        }
        Ok(())
    }
}

fn index(name: &str, keys: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).build();
    IndexModel::builder().keys(keys).options(options).build()
}
