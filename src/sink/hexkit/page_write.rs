//! The writing of a page: its documents, their entries and its cursors, in one transaction.
//!
//! `publisher` passes in a page and runs this. The transaction first counts the page in the lane's
//! row, if that has the publisher's term: a later takeover changes the same row, so one of the two
//! is undone. The body may run any number of times.

use std::time::Duration;

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;

use super::classify::Failure;
use super::entries::{self, Entry};
use super::lane::Lane;
use super::plan::{self, Found, Item, Known, Plan};
use super::remove_older;
use super::{cursors, rows};
use crate::domain::event::EventType;
use crate::mongodb_client::transaction::{Transaction, TransactionBody};
use crate::sink::{Mark, Page};

/// A page to be written.
pub(super) struct PageWrite<'a> {
    pub(super) lane: &'a Lane,
    pub(super) page: &'a Page,
    pub(super) items: Vec<Item<'a>>,
    pub(super) mark: Mark,
}

#[async_trait]
impl TransactionBody for PageWrite<'_> {
    type Done = ();
    type Failure = Failure;

    /// The lane's row names the session, so that a successor can end what this one leaves open.
    async fn prepare(
        &self,
        session: &mut ClientSession,
        _waited: Option<Duration>,
    ) -> Result<(), Failure> {
        self.lane.name_session(session).await
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        self.lane.fence(transaction).await?;
        for item in remove_older::delete_alls(&self.items) {
            let event = item.content.event;
            remove_older::remove(self.lane, &item.collection, event, transaction).await?;
        }
        for Item { collection, content, .. } in &self.items {
            if content.event.event_type == EventType::Erased {
                remove_older::of_record(self.lane, collection, content.event, transaction).await?;
            }
        }
        let plan = plan::plan(&self.items, self.find(transaction).await?);
        self.write(&plan, transaction).await?;
        cursors::commit(self.lane, self.page, transaction).await
    }
}

impl PageWrite<'_> {
    /// Reads what the collections have of the page's documents.
    async fn find(&self, transaction: &mut Transaction<'_>) -> Result<Found, Failure> {
        let collections = self.lane.collections()?;
        let wanted = plan::wanted(&self.items);
        let mut found = Found::default();
        for (collection, ids) in wanted.documents {
            let documents = collections.named(&collection);
            let fields = doc! {
                "topic": 1, "event_id": 1, "headers": 1, "created": 1,
            };
            for row in rows::find(&documents, doc! { "$in": ids }, fields, transaction).await? {
                let Ok(id) = row.get_str("_id") else { continue };
                let key = (collection.clone(), id.to_owned());
                found.documents.insert(key, Known::read(&row));
            }
        }
        let ids: Vec<Document> = wanted.entries.iter().map(entries::id).collect();
        if !ids.is_empty() {
            let positions = &collections.positions;
            let all =
                rows::find(positions, doc! { "$in": ids }, Document::new(), transaction).await?;
            found.entries.extend(all.iter().filter_map(|row| Entry::read(row)));
        }
        Ok(found)
    }

    /// Writes the documents in order of position, which is the order in which hexkit reads them.
    async fn write(&self, plan: &Plan, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        let collections = self.lane.collections()?;
        let mut all: Vec<(&str, RawDocumentBuf, bool)> = Vec::new();
        for write in &plan.writes {
            let content = &self.items[write.item].content;
            let document = content.document(&write.ids, self.mark);
            all.push((&write.key.0, document, write.replaces));
        }
        let mut names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let of = |wanted: bool| {
                let of = all
                    .iter()
                    .filter(move |(its, _, replaces)| *its == name && *replaces == wanted);
                of.map(|(_, document, _)| document.clone()).collect::<Vec<_>>()
            };
            let documents = collections.named(name);
            let new = of(false);
            if !new.is_empty() {
                documents.insert_many(new).session(&mut *transaction).await?;
            }
            rows::replace(&documents, of(true), transaction).await?;
        }
        let entries = plan.entries.iter().map(|(key, (entry, topic))| entry.row(key, topic));
        rows::replace(&collections.positions, entries.collect(), transaction).await
    }
}
