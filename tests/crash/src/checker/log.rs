//! Compares acknowledged changes with the logs.

use std::collections::{HashMap, HashSet};

use super::erased::is_payload_of;
use super::{Finding, Index, Kind};
use crate::evidence::{Acknowledged, Logged};
use crate::story::Story;

/// Finds the defects of the logs.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let owners = owners(story, index);
    let mut findings = Vec::new();
    for (tenant, log) in &story.logs {
        let removed = index.removed.values().filter(|event| event.tenant == tenant);
        let removed: HashSet<_> = removed.map(|event| event.position).collect();
        let (mut seen, mut place, mut log_id) = (HashSet::new(), 0, None);
        let begins_anew = story.observed.begun_anew.contains(tenant);
        for event in log {
            let its = event.headers.get("log_id");
            if begins_anew && log_id.replace(its) != Some(its) && event.position > place {
                // A log that begins anew goes on above the positions that were given before.
                place = event.position - 1;
            }
            let may_lack = |place: &u64| {
                removed.contains(place)
                    || index.former.may_lack(tenant, *place)
                    || index.hidden.contains(&(tenant.as_str(), *place))
            };
            let expected = (place + 1..event.position).find(|place| !may_lack(place));
            let expected = expected.unwrap_or_else(|| event.position.max(place + 1));
            if event.position != expected {
                findings.push(
                    Kind::Gap
                        .of(format!("{} stands in place {expected} of {tenant}", event.position)),
                );
            }
            place = event.position;
            if !seen.insert(event.event_id.as_str()) {
                findings.push(
                    Kind::Duplicate.of(format!("{tenant}'s log has {} twice", event.event_id)),
                );
            }
            if event.published != Some(true) && !event.is_unsent() {
                findings
                    .push(Kind::Published.of(format!("{} of {tenant} never was", event.position)));
            }
            match owners.get(event.event_id.as_str()) {
                None => findings.push(Kind::Phantom.of(format!("in {tenant}'s log: {event:?}"))),
                Some(owner) if !is_of(event, tenant, owner, index) => {
                    findings
                        .push(Kind::Tenant.of(format!("{owner}'s, in {tenant}'s log: {event:?}")));
                }
                Some(_) => {}
            }
        }
    }
    findings.extend(changes(&story.observed.acknowledged, index));
    findings
}

/// Returns the tenant of each event that was posted, or follows from a DELETE_ALL or an erasure.
fn owners<'a>(story: &'a Story, index: &Index<'a>) -> HashMap<&'a str, &'a str> {
    let changes = story.observed.acknowledged.iter();
    let changes = changes.map(|it| (it.event_id.as_str(), it.tenant.as_str()));
    let delete_alls = story.observed.delete_alls.iter();
    let delete_alls = delete_alls.map(|it| (it.event_id.as_str(), it.tenant.as_str()));
    let deletes = index.deletes.iter().map(|it| (it.event_id, it.request.tenant.as_str()));
    let erased = index.erasures.iter().map(|it| (it.event_id, it.tenant));
    changes.chain(delete_alls).chain(deletes).chain(erased).collect()
}

/// Returns whether the event belongs to the tenant.
fn is_of(event: &Logged, tenant: &str, owner: &str, index: &Index<'_>) -> bool {
    let header = event.headers.get("x-okapi-tenant").map(String::as_str);
    owner == tenant && header == Some(tenant) && index.tenant_of(&event.topic) == Some(tenant)
}

/// Finds acknowledged changes that the log lacks, or has in another form.
fn changes(acknowledged: &[Acknowledged], index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: HashMap<(&str, &str, &str), (usize, u64)> = HashMap::new();
    for change in acknowledged {
        let id = change.event_id.as_str();
        if index.removed.contains_key(id) || index.former.has_lost(id) {
            continue;
        }
        let Some((tenant, event)) = index.by_id.get(change.event_id.as_str()) else {
            findings.push(Kind::Lost.of(format!("acknowledged, and not in the log: {change:?}")));
            continue;
        };
        if *tenant != change.tenant {
            // The finding is named at the event's position.
            continue;
        }
        if event.position != index.former.position(id, change.position) {
            findings.push(Kind::Receipt.of(format!("{change:?} stands at {}", event.position)));
        }
        if !is_as_posted(event, change) {
            findings.push(Kind::Bytes.of(format!("{change:?} is {event:?}")));
        }
        if event.position != change.position {
            // A request that its client had given up came after others.
            continue;
        }
        let key = (*tenant, change.entity.as_str(), change.key.as_str());
        let (seq, position) = last.insert(key, (change.seq, event.position)).unwrap_or_default();
        if change.seq <= seq || event.position <= position {
            findings.push(
                Kind::Reordered.of(format!("{change:?} stands behind change {seq} at {position}")),
            );
        }
    }
    findings
}

/// Returns whether the event has exactly the states that were posted, or was erased.
fn is_as_posted(event: &Logged, change: &Acknowledged) -> bool {
    (event.erased.is_some() || is_payload_of(change, event.payload.get()))
        && event.key == change.key
        && event.topic.ends_with(&format!(".{}", change.entity))
}
