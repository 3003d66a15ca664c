//! Finds the DELETEs that DELETE_ALLs were expanded to: in the logs and, where they have left these, in
//! the topics.

use std::collections::{BTreeMap, HashMap};

use event_gateway::domain::event::EventId;

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

/// The DELETEs of a story, found in the logs and, where they have left these, in the topics.
#[derive(Default)]
pub(super) struct Deletes<'a> {
    /// By the tenant and position of their requests, in order of position.
    by_request: BTreeMap<(&'a str, u64), Vec<Delete<'a>>>,
}

impl<'a> Deletes<'a> {
    /// Finds the DELETEs by their ids, which are derived from the request's and the key.
    pub(super) fn new(story: &'a Story, by_id: &HashMap<&str, (&'a str, &'a Logged)>) -> Self {
        let mut requests: HashMap<String, Vec<(EventId, &DeletedAll)>> = HashMap::new();
        let mut by_request = BTreeMap::new();
        let is_expanded = |it: &&DeletedAll| story.rules.expanded == Some(it.entity.as_str());
        for request in story.observed.delete_alls.iter().filter(is_expanded) {
            let topic = story.topic_of(&request.tenant, &request.entity);
            let id = EventId::parse(&request.event_id).unwrap();
            requests.entry(topic).or_default().push((id, request));
            by_request.insert((request.tenant.as_str(), request.position), Vec::new());
        }
        let request_of = |topic: &str, key: &str, event_id: &str| {
            let of_topic = requests.get(topic)?.iter();
            let mut its = of_topic.filter(|(id, _)| id.derived(key).to_string() == event_id);
            its.next().map(|(_, request)| *request)
        };
        let logged = story.logs.values().flatten().map(|it| {
            (it.event_id.as_str(), it.topic.as_str(), it.key.as_str(), it.position, Some(it))
        });
        let is_gone = |id: &str| !by_id.contains_key(id);
        let recorded = story.committed.iter().filter(|it| it.header("replay_id").is_none());
        let recorded = recorded.filter_map(|it| {
            let id = it.header("event_id").filter(|id| is_gone(id))?;
            let key = std::str::from_utf8(&it.key).ok()?;
            Some((id, it.topic.as_str(), key, it.header("position")?.parse().ok()?, None))
        });
        for (event_id, topic, key, position, logged) in logged.chain(recorded) {
            let Some(request) = request_of(topic, key, event_id) else { continue };
            let its = by_request.entry((request.tenant.as_str(), request.position)).or_default();
            its.push(Delete { event_id, request, topic, key, position, logged });
        }
        for deletes in by_request.values_mut() {
            deletes.sort_by_key(|delete| delete.position);
            deletes.dedup_by_key(|delete| delete.position);
        }
        Self { by_request }
    }

    /// Returns the DELETEs of each request, by its tenant and position.
    pub(super) fn by_request(&self) -> &BTreeMap<(&'a str, u64), Vec<Delete<'a>>> {
        &self.by_request
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Delete<'a>> {
        self.by_request.values().flatten()
    }

    /// Returns the positions of a request's DELETEs; `None` if there is no request at a position.
    pub(super) fn of_request(&self, tenant: &str, position: u64) -> Option<Vec<u64>> {
        let deletes = self.by_request.get(&(tenant, position))?;
        Some(deletes.iter().map(|delete| delete.position).collect())
    }
}
