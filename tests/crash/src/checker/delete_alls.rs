//! Compares DELETE_ALLs with the logs: what a record tells later ones, and the DELETEs that one was
//! expanded to.

use std::collections::HashMap;

use super::deletes::{Delete, Request};
use super::index::NO_KEY;
use super::{Finding, Index, Kind};
use crate::evidence::{DeletedAll, Logged};
use crate::story::Story;

/// Finds the defects of DELETE_ALLs.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = epochs(story, index);
    findings.extend(forms(story, index));
    let timelines = timelines(story, index);
    let all = index.deletes.requests();
    for request in all.filter(|it| !index.former.has_lost(&it.posted.event_id)) {
        findings.extend(expansion(request, &timelines));
    }
    findings
}

/// Checks that each event names the last DELETE_ALL of its topic, if there was one.
fn epochs(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut delete_alls: HashMap<String, Vec<u64>> = HashMap::new();
    let is_record = |it: &&DeletedAll| story.rules.expanded != Some(it.entity.as_str());
    let records = story.observed.delete_alls.iter().filter(is_record);
    for it in records.filter(|it| !index.former.has_lost(&it.event_id)) {
        let topic = story.topic_of(&it.tenant, &it.entity);
        delete_alls.entry(topic).or_default().push(it.position);
    }
    for event in story.logs.values().flatten() {
        let of_topic = delete_alls.get(&event.topic).into_iter().flatten();
        let last = of_topic.filter(|position| **position < event.position).max();
        let (told, last) = (event.headers.get("epoch").cloned(), last.map(u64::to_string));
        if told != last {
            let Logged { position, topic, .. } = event;
            findings.push(Kind::Epoch.of(format!("{position} of {topic}: {told:?}, not {last:?}")));
        }
    }
    findings
}

/// Checks that DELETE_ALLs are what they should be, and that no request of an expansion is a record.
fn forms(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut requests = Vec::new();
    for it in &story.observed.delete_alls {
        let is_expanded = story.rules.expanded == Some(it.entity.as_str());
        if is_expanded {
            requests.push(it.event_id.as_str());
        }
        let id = it.event_id.as_str();
        let Some((_, event)) = index.by_id.get(id) else {
            if !index.removed.contains_key(id) && !index.former.has_lost(id) {
                findings.push(Kind::Lost.of(format!("acknowledged, and not in the log: {it:?}")));
            }
            continue;
        };
        if event.position != it.position {
            findings.push(Kind::Receipt.of(format!("{it:?} stands at {}", event.position)));
        }
        let event_type = if is_expanded { "DELETE_ALL_EXPANDED" } else { "DELETE_ALL" };
        let payload = format!("{{\"type\":\"DELETE_ALL\",\"tenant\":\"{}\"}}", it.tenant);
        let is_right = event.is_of_type(event_type)
            && (event.key.as_str(), event.payload.get()) == (NO_KEY, payload.as_str())
            && event.topic == story.topic_of(&it.tenant, &it.entity);
        if !is_right {
            findings.push(Kind::Bytes.of(format!("{it:?} is {event:?}")));
        }
    }
    let of_request = |id: &str| requests.contains(&id);
    for record in story.committed.iter().chain(&story.uncommitted) {
        if record.header("event_id").is_some_and(of_request) {
            findings.push(Kind::Phantom.of(format!("the request itself: {record:?}")));
        }
    }
    findings
}

/// An event of a record, as far as an expansion depends on it.
#[derive(Debug, Clone, Copy)]
struct Touch<'a> {
    position: u64,
    /// The state after it; `None` if it was deleted or erased.
    state: Option<&'a str>,
    /// The id of the request that has deleted it, if one has.
    request: Option<&'a str>,
}

/// The events of each record of the entity whose DELETE_ALLs are expanded, in order of position.
type Timelines<'a> = HashMap<&'a str, HashMap<&'a str, Vec<Touch<'a>>>>;

fn timelines<'a>(story: &'a Story, index: &Index<'a>) -> Timelines<'a> {
    let mut timelines = Timelines::new();
    let changes = story.observed.acknowledged.iter();
    let changes = changes.filter(|it| !index.former.has_lost(&it.event_id));
    for it in changes.filter(|it| story.rules.expanded == Some(it.entity.as_str())) {
        let position = index.former.position(&it.event_id, it.position);
        let touch = Touch { position, state: it.new.as_deref(), request: None };
        timelines.entry(&it.tenant).or_default().entry(&it.key).or_default().push(touch);
    }
    for it in index.deletes.iter() {
        let (tenant, request) = (it.request.tenant.as_str(), Some(it.request.event_id.as_str()));
        let touch = Touch { position: it.position, state: None, request };
        timelines.entry(tenant).or_default().entry(it.key).or_default().push(touch);
    }
    let is_of_expanded = |tenant: &str, topic: &str| {
        story.rules.expanded.is_some_and(|entity| story.topic_of(tenant, entity) == topic)
    };
    for it in index.erasures.iter().filter(|it| is_of_expanded(it.tenant, it.topic)) {
        let touch = Touch { position: it.position, state: None, request: None };
        timelines.entry(it.tenant).or_default().entry(it.key).or_default().push(touch);
    }
    for touches in timelines.values_mut().flat_map(HashMap::values_mut) {
        touches.sort_by_key(|touch| touch.position);
    }
    timelines
}

/// Checks the DELETEs of a request: one for each record whose last event stood before it, and none
/// for a record that was touched afterwards.
fn expansion(
    Request { posted, deletes, .. }: &Request<'_>,
    timelines: &Timelines<'_>,
) -> Vec<Finding> {
    let DeletedAll { tenant, position: request, event_id, .. } = posted;
    let mut findings = Vec::new();
    let mut of_last = Vec::new();
    let name = |key: &str| format!("{tenant}'s DELETE_ALL at {request}, key {key}");
    for (key, touches) in timelines.get(tenant.as_str()).into_iter().flatten() {
        let first_after = touches.partition_point(|touch| touch.position < *request);
        let last = first_after.checked_sub(1).map(|at| touches[at]);
        let last = last.filter(|last| last.state.is_some());
        let mut its = deletes.iter().filter(|delete| delete.key == *key);
        let (delete, more) = (its.next(), its.next());
        if more.is_some() {
            findings.push(Kind::Duplicate.of(format!("{}: two DELETEs", name(key))));
        }
        let next = touches.get(first_after);
        match (last, delete) {
            (None, Some(_)) => {
                findings.push(Kind::Phantom.of(format!("{}: there was no record", name(key))));
            }
            (Some(_), None) if next.is_none() => {
                findings.push(Kind::Lost.of(format!("{}: no DELETE", name(key))));
            }
            (Some(last), Some(delete)) => {
                if next.and_then(|next| next.request) != Some(event_id.as_str()) {
                    let touched = next.map(|next| next.position);
                    findings.push(Kind::Phantom.of(format!(
                        "{}: it was touched at {touched:?}, and deleted at {}",
                        name(key),
                        delete.position
                    )));
                } else {
                    of_last.push((last.position, delete.position));
                }
                findings.extend(differences(delete, last.state.unwrap_or_default()));
            }
            (_, None) => {}
        }
    }
    of_last.sort_unstable();
    if !of_last.is_sorted_by_key(|(_, delete)| *delete) {
        findings.push(
            Kind::Reordered
                .of(format!("the DELETEs of {tenant}'s DELETE_ALL at {request}: {of_last:?}")),
        );
    }
    findings
}

/// Compares a DELETE with the record's last state.
fn differences(delete: &Delete<'_>, state: &str) -> Option<Finding> {
    let event = delete.logged.filter(|it| it.erased.is_none())?;
    let tenant = &delete.request.tenant;
    let start = format!("{{\"old\":{state},\"type\":\"DELETE\",\"tenant\":\"{tenant}\",\"ts\":\"");
    let is_right = event.payload.get().starts_with(&start) && event.is_of_type("DELETE");
    (!is_right).then(|| Kind::Bytes.of(format!("the DELETE of {state} is {event:?}")))
}
