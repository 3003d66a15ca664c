//! Holds a gateway to its promises: what was acknowledged, the log, and the topics must tell the
//! same story.
//!
//! Fed with acknowledged changes, the log over HTTP, and records as a consumer saw them. What is
//! wrong is named: lost, phantom, duplicate, reordered, wrong bytes, wrong headers, wrong time.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::kafka::Record;
use crate::load::Acknowledged;
use crate::serve;

/// One event of the log, as `GET /domain-events` tells it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    pub position: u64,
    pub event_id: String,
    pub topic: String,
    pub key: String,
    pub time: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Box<RawValue>,
}

#[derive(serde::Deserialize)]
struct LogPage {
    events: Vec<Logged>,
    next: Option<u64>,
}

/// A tenant's whole log.
pub async fn log(url: &str, tenant: &str) -> Vec<Logged> {
    let (client, mut all, mut after) = (reqwest::Client::new(), Vec::new(), 0);
    loop {
        let page = client
            .get(format!("{url}/domain-events?limit=1000&after={after}"))
            .header("X-Okapi-Tenant", tenant);
        let page: LogPage = page.send().await.unwrap().json().await.unwrap();
        all.extend(page.events);
        match page.next {
            Some(next) => after = next,
            None => return all,
        }
    }
}

/// Waits until the newest event of a tenant's log is published.
pub async fn published(url: &str, tenant: &str, head: u64, patience: std::time::Duration) {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let page = serve::get(&format!("{url}/domain-events?after={}", head - 1), tenant).await;
        if page["events"][0]["published"] == Value::Bool(true) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "position {head} of {tenant} is still not published");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until more than those positions of a tenant's log are published; returns how many are.
pub async fn published_beyond(url: &str, tenant: &str, position: u64) -> u64 {
    published(url, tenant, position + 1, std::time::Duration::from_secs(60)).await;
    let page = serve::get(&format!("{url}/domain-events?after={position}&limit=1000"), tenant).await;
    let events = page["events"].as_array().unwrap().iter();
    position + events.take_while(|event| event["published"] == Value::Bool(true)).count() as u64
}

/// What is wrong between the acknowledged changes of one tenant and its log.
pub fn check_log(acknowledged: &[Acknowledged], log: &[Logged]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, event) in log.iter().enumerate() {
        if event.position != index as u64 + 1 {
            wrong.push(format!("gap: position {} stands in place {}", event.position, index + 1));
        }
    }
    let by_id: HashMap<&str, &Logged> = log.iter().map(|e| (e.event_id.as_str(), e)).collect();
    if by_id.len() != log.len() {
        wrong.push("duplicate: an event id stands in the log twice".to_owned());
    }
    let ids: HashSet<&str> = acknowledged.iter().map(|a| a.event_id.as_str()).collect();
    wrong
        .extend(log.iter().filter(|e| !ids.contains(e.event_id.as_str())).map(|e| format!("phantom: {e:?}")));
    let mut last: HashMap<&str, (usize, u64)> = HashMap::new();
    for change in acknowledged {
        let Some(event) = by_id.get(change.event_id.as_str()) else {
            wrong.push(format!("lost: {change:?}"));
            continue;
        };
        if (event.position, &event.key) != (change.position, &change.key)
            || !event.topic.ends_with(change.entity)
        {
            wrong.push(format!("wrong place: {change:?} is {event:?}"));
        }
        if !has_states(event.payload.get(), change) {
            wrong.push(format!("wrong bytes: {change:?} is {event:?}"));
        }
        let (seq, position) = last.insert(&change.key, (change.seq, event.position)).unwrap_or_default();
        if change.seq <= seq || event.position <= position {
            wrong.push(format!("reordered: {change:?} at {} after {position}", event.position));
        }
    }
    wrong
}

/// Whether the payload is the wire form around exactly the states that were posted.
fn has_states(payload: &str, change: &Acknowledged) -> bool {
    let state = |name: &str, state: &Option<String>| {
        state.as_ref().map(|s| format!("\"{name}\":{s},")).unwrap_or_default()
    };
    let event_type = match (&change.old, &change.new) {
        (None, _) => "CREATE",
        (_, None) => "DELETE",
        _ => "UPDATE",
    };
    let states = state("old", &change.old) + &state("new", &change.new);
    let start = format!("{{{states}\"type\":\"{event_type}\",\"tenant\":\"{}\",\"ts\":\"", change.tenant);
    let ts = payload.strip_prefix(&start).and_then(|rest| rest.strip_suffix("\"}"));
    ts.is_some_and(|ts| ts.len() == 13 && ts.bytes().all(|b| b.is_ascii_digit()))
}

/// What is wrong between one tenant's log and the records of its topics, in partition order.
pub fn check_topics(log: &[Logged], records: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let by_position: HashMap<u64, &Logged> = log.iter().map(|e| (e.position, e)).collect();
    let (mut seen, mut last): (HashSet<u64>, HashMap<(&str, &str), u64>) = (HashSet::new(), HashMap::new());
    for record in records {
        let position: u64 = record.header("position").and_then(|p| p.parse().ok()).unwrap_or_default();
        let Some(event) = by_position.get(&position) else {
            wrong.push(format!("phantom: {record:?}"));
            continue;
        };
        if !seen.insert(position) {
            wrong.push(format!("duplicate: position {position}"));
        }
        let before = last.insert((&record.topic, &event.key), position).unwrap_or_default();
        if before > position {
            wrong.push(format!("reordered: {position} of key {} after {before}", event.key));
        }
        wrong.extend(differences(event, record));
    }
    wrong.extend(
        log.iter().filter(|e| !seen.contains(&e.position)).map(|e| format!("lost: position {}", e.position)),
    );
    wrong
}

fn differences(event: &Logged, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    let position = event.position;
    if record.topic != event.topic || record.key != event.key.as_bytes() {
        wrong.push(format!("wrong topic or key: position {position}"));
    }
    if record.value != event.payload.get().as_bytes() {
        wrong.push(format!("wrong bytes: position {position}"));
    }
    let headers: BTreeMap<String, String> = record.headers.iter().cloned().collect();
    if headers != event.headers || headers.len() != record.headers.len() {
        wrong.push(format!("wrong headers: position {position}: {headers:?} are not {:?}", event.headers));
    }
    let time = event_gateway::domain::time::Time::from_ms(record.timestamp_ms);
    if time.to_string() != event.time {
        wrong.push(format!("wrong time: position {position}: {time} is not {}", event.time));
    }
    wrong
}
