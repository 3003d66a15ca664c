//! A lane's row: the term that took it over last, and the session of its transactions.
//!
//! Every transaction of a lane changes its row under the publisher's term, so a page and a takeover
//! never both commit. The row also names the session, whose open transaction a successor may have
//! to end: the server would keep it, with its locks, for a minute.

use std::sync::{Arc, Mutex};

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, doc};

use super::Inner;
use super::classify::{Failure, sink_error};
use super::collections::Collections;
use crate::domain::lane;
use crate::mongodb_client::error::answered;
use crate::mongodb_client::transaction::Transaction;
use crate::sink::Error;

/// A lane, and the term with which it was taken over.
pub(super) struct Lane {
    pub(super) inner: Arc<Inner>,
    pub(super) lane: lane::Lane,
    pub(super) term: i64,
    /// The session that the lane's row names.
    session: Mutex<Option<Document>>,
}

impl Lane {
    /// Makes the lane, as the holder of a lease with this term has it.
    pub(super) fn new(inner: Arc<Inner>, lane: lane::Lane, term: u64) -> Self {
        let term = i64::try_from(term).unwrap_or(i64::MAX);
        Self { inner, lane, term, session: Mutex::default() }
    }

    /// Returns the collections, which the takeover has reached.
    pub(super) fn collections(&self) -> Result<&Collections, Error> {
        let lost = || Error::retry("hexkit's MongoDB was not reached yet");
        self.inner.collections.get().ok_or_else(lost)
    }

    /// Returns the number of the lane, for its rows.
    pub(super) fn number(&self) -> i32 {
        i32::from(self.lane.number())
    }

    fn own(&self) -> Document {
        doc! { "_id": self.number(), "term": self.term }
    }

    /// Counts a page in the lane's row. Fails if the row has another term.
    pub(super) async fn fence(&self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        let lanes = &self.collections()?.lanes;
        let count = doc! { "$inc": { "pages": 1_i64 } };
        let counted = lanes.update_one(self.own(), count).session(transaction).await?;
        if counted.matched_count == 1 { Ok(()) } else { Err(self.fenced().into()) }
    }

    fn fenced(&self) -> Error {
        Error::Fenced(format!("term {} of {} is over", self.term, self.lane))
    }

    /// Names the session of the next transaction in the lane's row.
    pub(super) async fn name_session(&self, session: &ClientSession) -> Result<(), Failure> {
        let id = session.id().clone();
        if self.session.lock().expect("no holder panics").as_ref() == Some(&id) {
            return Ok(());
        }
        let name = doc! { "$set": { "session": &id } };
        let named = answered(self.collections()?.lanes.update_one(self.own(), name)).await;
        if named.map_err(sink_error)?.matched_count == 0 {
            return Err(self.fenced().into());
        }
        *self.session.lock().expect("no holder panics") = Some(id);
        Ok(())
    }

    /// Ends the transaction that the lane's earlier holder may have left open.
    pub(super) async fn end_earlier(&self) -> Result<(), Failure> {
        let collections = self.collections()?;
        let row = answered(collections.lanes.find_one(doc! { "_id": self.number() })).await;
        let row = row.map_err(sink_error)?;
        let session =
            row.and_then(|row| Document::try_from(row.get_document("session").ok()?).ok());
        if let Some(session) = session {
            let admin = collections.admin();
            answered(collections.kill(&admin, session)).await.map_err(sink_error)?;
        }
        Ok(())
    }
}
