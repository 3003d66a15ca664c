//! The plan of a page: which of its events are written, and in which documents. No I/O.
//!
//! `page_write` passes in the events, in order, and what its transaction has read of their
//! documents; it carries the plan out. The plan is the same for the same page, however often it is
//! made: an event that a document has already is not written again, so hexkit's mark stays.

use std::collections::{BTreeMap, HashMap};

use ::mongodb::bson::RawDocument;
use uuid::Uuid;

use super::document::{Content, Ids};
use super::entries::{self, Entry, Key};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::position::Position;
use crate::domain::time::Time;

/// An event that a service's collection is to have.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) collection: String,
    pub(super) keeps: Keeps,
    pub(super) content: Content<'a>,
}

/// The documents that a topic has in the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// One for each event.
    EachEvent,
    /// One for each key, since the topic is compacted.
    LastOfKey,
}

/// A document as it stands in the collection, read from the fields that hexkit keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    event: Option<Uuid>,
    topic: String,
    tenant: Option<String>,
    log_id: Option<String>,
    position: Option<Position>,
    created: Option<Time>,
}

impl Known {
    /// Reads a document; hexkit may have written it for events of its own.
    pub(super) fn read(document: &RawDocument) -> Self {
        let header = |name: &str| {
            let headers = document.get_document("headers").ok()?;
            Some(headers.get_str(name).ok()?.to_owned())
        };
        let event = document.get_binary("event_id").ok();
        let created = document.get_datetime("created").ok();
        let position = header("position").and_then(|text| text.parse().ok());
        Self {
            event: event.and_then(|binary| Uuid::from_slice(binary.bytes).ok()),
            topic: document.get_str("topic").unwrap_or_default().to_owned(),
            tenant: header("x-okapi-tenant"),
            log_id: header("log_id"),
            position: position.and_then(|number: u64| Position::new(number).ok()),
            created: created.map(|time| Time::from_ms(time.timestamp_millis())),
        }
    }

    fn of(event: &Envelope, ids: &Ids) -> Self {
        Self {
            event: Some(ids.event),
            topic: event.topic.to_string(),
            tenant: Some(event.tenant.to_string()),
            log_id: Some(event.log_id.to_string()),
            position: Some(event.position),
            created: Some(event.time),
        }
    }

    fn is_of(&self, event: &Envelope) -> bool {
        self.topic == event.topic.as_str() && self.tenant.as_deref() == Some(event.tenant.as_str())
    }

    /// Returns whether it was written for an earlier event that had the same id, and that the log
    /// has lost.
    fn is_before(&self, event: &Envelope) -> bool {
        let is_of_log = self.log_id.as_deref() == Some(&*event.log_id.to_string());
        is_of_log && self.position.is_some_and(|position| position < event.position)
            || self.created.is_some_and(|created| created < event.time)
    }
}

/// The documents and entries that the collections have for a page.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: HashMap<Key, Entry>,
    pub(super) documents: HashMap<Key, Known>,
}

/// The documents and entries that a page needs.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The documents' ids, by collection.
    pub(super) documents: BTreeMap<String, Vec<String>>,
    pub(super) entries: Vec<Key>,
}

/// Returns what must be read before the plan is made.
pub(super) fn wanted(items: &[Item]) -> Wanted {
    let mut wanted = Wanted::default();
    for Item { collection, keeps, content } in items {
        let documents = wanted.documents.entry(collection.clone()).or_default();
        let event = content.event;
        match keeps {
            Keeps::EachEvent => {
                documents.extend([Ids::of_event(event).document, Ids::derived(event).document]);
            }
            Keeps::LastOfKey => {
                let ids = Ids::of_key(event);
                wanted.entries.push((collection.clone(), ids.document.clone()));
                wanted.entries.push(entries::delete_all(collection, event));
                documents.push(ids.document);
            }
        }
    }
    wanted
}

/// A document to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    /// The index of its event among the items.
    pub(super) item: usize,
    pub(super) key: Key,
    pub(super) ids: Ids,
    /// Whether the collection has a document with the id.
    pub(super) replaces: bool,
}

/// The documents and entries to be written, in order of position.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    pub(super) entries: HashMap<Key, (Entry, String)>,
}

/// Plans the writes of a page.
pub(super) fn plan(items: &[Item], found: Found) -> Plan {
    let (plan, written) = (Plan::default(), HashMap::new());
    let mut planning = Planning { items, found, plan, written };
    for (at, item) in items.iter().enumerate() {
        match item.keeps {
            Keeps::EachEvent => planning.each_event(at, item),
            Keeps::LastOfKey => planning.last_of_key(at, item),
        }
    }
    planning.plan
}

struct Planning<'a> {
    items: &'a [Item<'a>],
    /// The documents and entries of the collections, as the plan leaves them.
    found: Found,
    plan: Plan,
    /// Whether the collection had a document before its first write of the plan.
    written: HashMap<Key, bool>,
}

impl Planning<'_> {
    fn each_event(&mut self, at: usize, item: &Item) {
        let event = item.content.event;
        if event.event_type == EventType::Erased {
            self.drop_of_record(event);
        }
        if event.value().is_none() {
            return;
        }
        let key = |ids: &Ids| (item.collection.clone(), ids.document.clone());
        let own = Ids::of_event(event);
        let is_foreign = self.found.documents.get(&key(&own)).is_some_and(|it| !it.is_of(event));
        // Another tenant's event, or one of hexkit's own, has the id.
        let ids = if is_foreign { Ids::derived(event) } else { own };
        let key = key(&ids);
        if self.found.documents.get(&key).is_none_or(|it| it.is_before(event)) {
            self.write(at, key, ids, event);
        }
    }

    fn last_of_key(&mut self, at: usize, item: &Item) {
        let (event, collection) = (item.content.event, &item.collection);
        let delete_all = entries::delete_all(collection, event);
        let later = |entry: &Entry| entry.log_id == event.log_id && entry.position > event.position;
        if self.found.entries.get(&delete_all).is_some_and(later) {
            return;
        }
        if event.event_type == EventType::DeleteAll {
            self.drop_before(collection, event);
            self.enter(delete_all, event);
        }
        let ids = Ids::of_key(event);
        let key = (collection.clone(), ids.document.clone());
        match self.found.entries.get(&key).map_or(Age::Newer, |entry| age(event, entry)) {
            Age::Older => return,
            Age::Same
                if self
                    .found
                    .documents
                    .get(&key)
                    .is_some_and(|it| it.event == Some(ids.event) && !it.is_before(event)) => {}
            Age::Same | Age::Newer if event.value().is_none() => {
                // The record was erased, and its document removed.
                self.plan.writes.retain(|write| write.key != key);
            }
            Age::Same | Age::Newer => self.write(at, key.clone(), ids, event),
        }
        self.enter(key, event);
    }

    /// Drops the planned documents of a record that was erased. Those that the collection has are
    /// removed by the transaction.
    fn drop_of_record(&mut self, erased: &Envelope) {
        let items = self.items;
        self.plan.writes.retain(|write| {
            let it = items[write.item].content.event;
            (&it.tenant, &it.topic, &it.key) != (&erased.tenant, &erased.topic, &erased.key)
                || it.position >= erased.position
        });
    }

    /// Drops the planned documents of the topic of a DELETE_ALL. Those that the collection has are
    /// removed by the transaction.
    fn drop_before(&mut self, collection: &str, event: &Envelope) {
        let Self { plan, found, .. } = self;
        let of_topic = format!("{}:", event.topic);
        let is_void = |key: &Key| key.0 == collection && key.1.starts_with(&of_topic);
        plan.writes.retain(|write| !is_void(&write.key));
        plan.entries.retain(|key, _| !is_void(key));
        found.entries.retain(|key, _| !is_void(key));
        found.documents.retain(|key, _| !is_void(key));
    }

    fn write(&mut self, item: usize, key: Key, ids: Ids, event: &Envelope) {
        if self.written.contains_key(&key) {
            self.plan.writes.retain(|write| write.key != key);
        }
        let known = self.found.documents.insert(key.clone(), Known::of(event, &ids));
        let replaces = *self.written.entry(key.clone()).or_insert(known.is_some());
        self.plan.writes.push(Write { item, key, ids, replaces });
    }

    fn enter(&mut self, key: Key, event: &Envelope) {
        let entry = Entry::of(event);
        self.found.entries.insert(key.clone(), entry.clone());
        self.plan.entries.insert(key, (entry, event.topic.to_string()));
    }
}

/// An event, compared with the one that its document was last written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Older,
    Same,
    Newer,
}

/// Compares by position. Within a log that got another id, the newer id is the one that goes on, so
/// its events come again, in order.
fn age(event: &Envelope, entry: &Entry) -> Age {
    let is_same_log = entry.log_id == event.log_id;
    if is_same_log && entry.position > event.position {
        Age::Older
    } else if entry.event_id == event.event_id
        && entry.tenant == event.tenant.as_str()
        && (!is_same_log || entry.position == event.position)
    {
        Age::Same
    } else {
        Age::Newer
    }
}
