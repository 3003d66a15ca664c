//! Finds the DELETEs that DELETE_ALLs were expanded to: in the logs and, where they have left these, in
//! the topics.

use std::collections::HashMap;

use event_gateway::domain::event::EventId;

use super::former::Former;
use crate::evidence::{DeletedAll, Logged};
use crate::story::Story;

/// A DELETE that a DELETE_ALL was expanded to.
#[derive(Debug)]
pub(super) struct Delete<'a> {
    pub(super) event_id: &'a str,
    pub(super) request: &'a DeletedAll,
    pub(super) topic: &'a str,
    pub(super) key: &'a str,
    pub(super) position: u64,
    /// As the log has it, unless it has left the log.
    pub(super) logged: Option<&'a Logged>,
}

/// A DELETE_ALL that is expanded, and its DELETEs.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) posted: &'a DeletedAll,
    id: EventId,
    topic: String,
    /// In order of position.
    pub(super) deletes: Vec<Delete<'a>>,
}

/// The DELETEs of a story.
#[derive(Default)]
pub(super) struct Deletes<'a>(Vec<Request<'a>>);

impl<'a> Deletes<'a> {
    /// Finds the DELETEs by their ids, which are derived from the request's and the key.
    pub(super) fn new(
        story: &'a Story,
        by_id: &HashMap<&str, (&'a str, &'a Logged)>,
        former: &Former<'a>,
    ) -> Self {
        let is_expanded = |it: &&DeletedAll| story.rules.expanded == Some(it.entity.as_str());
        let posted = story.observed.delete_alls.iter().filter(is_expanded);
        let requests = posted.map(|posted| Request {
            posted,
            id: EventId::parse(&posted.event_id).unwrap(),
            topic: story.topic_of(&posted.tenant, &posted.entity),
            deletes: Vec::new(),
        });
        let mut all = Self(requests.collect());
        let logged = story.logs.values().flatten().map(|it| {
            (it.event_id.as_str(), it.topic.as_str(), it.key.as_str(), it.position, Some(it))
        });
        let is_gone = |id: &str| !by_id.contains_key(id);
        let live = story.committed.iter().filter(|it| !it.is_replayed() && !former.is_told(it));
        let recorded = live.filter_map(|it| {
            let id = it.header("event_id").filter(|id| is_gone(id))?;
            let key = std::str::from_utf8(&it.key).ok()?;
            Some((id, it.topic.as_str(), key, it.header("position")?.parse().ok()?, None))
        });
        for (event_id, topic, key, position, logged) in logged.chain(recorded) {
            let Some(at) = all.find(topic, key, event_id) else { continue };
            let Request { posted: request, deletes, .. } = &mut all.0[at];
            deletes.push(Delete { event_id, request, topic, key, position, logged });
        }
        for Request { deletes, .. } in &mut all.0 {
            deletes.sort_by_key(|delete| delete.position);
            deletes.dedup_by_key(|delete| delete.position);
        }
        all
    }

    /// Returns the index of the request of a DELETE.
    fn find(&self, topic: &str, key: &str, event_id: &str) -> Option<usize> {
        self.0.iter().position(|request| {
            request.topic == topic && request.id.derived(key).to_string() == event_id
        })
    }

    /// Returns whether an event is the DELETE of any request.
    pub(super) fn is_delete(&self, topic: &str, key: &str, event_id: &str) -> bool {
        self.find(topic, key, event_id).is_some()
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &Request<'a>> {
        self.0.iter()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Delete<'a>> {
        self.0.iter().flat_map(|request| &request.deletes)
    }

    /// Returns the DELETEs of a request; `None` if an event is none.
    pub(super) fn of_request(&self, event_id: &str) -> Option<&[Delete<'a>]> {
        let mut requests = self.0.iter();
        let request = requests.find(|request| request.posted.event_id == event_id)?;
        Some(&request.deletes)
    }
}
