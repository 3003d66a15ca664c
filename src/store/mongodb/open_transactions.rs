//! The open transactions: each is registered before it begins, and its commit removes the entry.
//!
//! `transaction` registers them for `changed`, which must know which commits may still come with
//! earlier versions. A session has one row, and at most one transaction at a time. A replica that
//! is killed leaves its transaction and its locks to the server, which would keep them for a minute
//! (`transactionLifetimeLimitSeconds`): the row names the session, so that another replica ends it
//! after a few seconds. A transaction whose row was removed can't commit, since it must remove the
//! row itself.

use std::time::Duration;

use ::mongodb::bson::{Document, doc};
use ::mongodb::options::{Acknowledgment, WriteConcern};
use ::mongodb::{Client, ClientSession};
use futures_util::TryStreamExt;

use super::error::{reading, writing};
use super::rows;
use super::rows::Rows;
use crate::store::Error;
use crate::store::error::TransactionError;

/// No session lives so long without being used.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The rows of all sessions that have begun a transaction.
pub(super) struct OpenTransactions(Rows);

impl OpenTransactions {
    /// Makes the registry in a collection.
    pub(super) fn new(rows: Rows) -> Self {
        Self(rows)
    }

    /// Returns the client of the sessions.
    pub(super) fn client(&self) -> &Client {
        self.0.client()
    }

    /// Returns the collection.
    pub(super) fn rows(&self) -> &Rows {
        &self.0
    }

    /// Registers a transaction that begins. The entry needn't outlive the primary, since no open
    /// transaction does. Once it is committed, it can't be lost without losing what the transaction
    /// wrote after it.
    pub(super) async fn begin(&self, session: &mut ClientSession) -> Result<(), TransactionError> {
        let row =
            vec![doc! { "$set": { "begun": "$$CLUSTER_TIME", "time": "$$NOW", "open": true } }];
        let one = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
        let begin = self.0.update_one(id(session), row).upsert(true).write_concern(one);
        begin.session(session).await?;
        Ok(())
    }

    /// Removes the entry, in the transaction itself. Now and then the transaction's snapshot lies
    /// before its row, and it must begin again.
    pub(super) async fn end(&self, session: &mut ClientSession) -> Result<(), TransactionError> {
        let mut open = id(session);
        open.insert("open", true);
        let end =
            self.0.update_one(open, doc! { "$set": { "open": false } }).session(session).await?;
        if end.matched_count == 1 {
            Ok(())
        } else {
            let why = "the transaction was not registered as open".to_owned();
            Err(TransactionError::Retry(Error::Unavailable(why)))
        }
    }

    /// Ends transactions that have been open for longer: aborts each and removes its row.
    pub(super) async fn end_others(&self, longer_than: Duration) -> Result<(), Error> {
        let mut late = older(longer_than);
        late.insert("open", true);
        let late: Vec<_> = reading(async { self.0.find(late).await?.try_collect().await }).await?;
        for row in late {
            let (session, begun) = (rows::field(&row, "_id")?, rows::field(&row, "begun")?);
            let kill = doc! { "killSessions": [{ "id": rows::owned(session)? }] };
            reading(self.client().database("admin").run_command(kill)).await?;
            let row = doc! { "_id": rows::owned(session)?, "begun": rows::owned(begun)? };
            writing(self.0.delete_one(row)).await?;
        }
        Ok(())
    }

    /// Removes the rows of processes that ended long ago.
    pub(super) async fn tidy(&self) -> Result<(), Error> {
        self.end_others(FORGOTTEN_AFTER).await?;
        writing(self.0.delete_many(older(FORGOTTEN_AFTER))).await?;
        Ok(())
    }
}

/// Returns the id of a session's row, which is a UUID.
fn id(session: &ClientSession) -> Document {
    doc! { "_id": session.id().get("id").cloned() }
}

fn older(than: Duration) -> Document {
    let ms = rows::ms(than);
    doc! { "$expr": { "$lt": ["$time", { "$subtract": ["$$NOW", ms] }] } }
}
