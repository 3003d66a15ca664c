//! The promises of replays, whatever fails: on a real store, with a Kafka that breaks at chosen
//! calls.

use std::sync::Arc;

use crash::until;
use event_gateway::domain::replay::{Outcome, Replay, ReplayRequest};
use event_gateway::domain::topic::Topic;

use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::{Harness, drafts, tenants};
use crate::support::replays::submit;

/// More than a page.
const EVENTS: u128 = 620;

/// The call that breaks, and whose it is.
#[derive(Clone, Copy)]
enum Broken {
    Kafka(usize, Fault),
    Store(usize, Fault),
}

/// Returns the positions that a replay has sent, in order.
fn sent(harness: &Harness, replay: &Replay) -> Vec<u64> {
    let id = replay.id.to_string();
    harness.kafka.state(|state| {
        let records = state.records.iter();
        let its = records.filter(|record| record.headers.value("replay_id") == Some(id.as_str()));
        its.map(|record| record.position.number()).collect()
    })
}

/// Replays a log to its own topics and to another one, while it grows. Returns the number of calls
/// that Kafka and the store got.
async fn story(broken: Broken) -> (usize, usize) {
    let tenants = tenants(1);
    let mut harness = Harness::with_published(&tenants, EVENTS).await;
    let target = Topic::parse(&format!("{}.again", tenants[0])).ok();
    harness.kafka.state(|state| state.missing_topics.extend(target.clone()));
    let own = submit(&harness, &tenants[0], &ReplayRequest::default()).await;
    let to = ReplayRequest { target, ..ReplayRequest::default() };
    let to = submit(&harness, &tenants[0], &to).await;
    let mut store_fault = None;
    let before = harness.kafka.state(|state| state.calls);
    match broken {
        Broken::Kafka(call, fault) => {
            harness.kafka.state(|state| state.fault = Some((before + call, fault)));
        }
        Broken::Store(call, fault) => store_fault = Some((call, fault)),
    }
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), store_fault));
    harness.parts.store = faulty.clone();
    harness.append(&tenants[0], drafts(&tenants[0], EVENTS..EVENTS + 20)).await;
    let followers = harness.follow();
    let mut ended = Vec::new();
    for replay in [&own, &to] {
        until("the replay has ended", async || {
            let now = harness.store.find_replay(&tenants[0], replay.id).await.unwrap().unwrap();
            let is_open = now.is_open();
            ended.push(now);
            !is_open
        })
        .await;
        let now = ended.last().unwrap();
        let sent = sent(&harness, replay);
        assert_eq!(now.progress.ended.unwrap().0, Outcome::Completed);
        assert_eq!(sent, Vec::from_iter(1..=sent.len() as u64), "each once, and in order");
        assert_eq!(now.progress.sent.events, sent.len() as u64);
    }
    harness.published(&tenants).await;
    followers.stop().await;
    assert_eq!(sent(&harness, &to).len(), EVENTS as usize, "as the log was at the submission");
    assert!(sent(&harness, &own).len() >= EVENTS as usize);
    (harness.kafka.state(|state| state.calls) - before, faulty.calls())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_kafka_fails_each_event_is_replayed_once_and_in_order() {
    at_each_call(5, async |(call, fault)| story(Broken::Kafka(call, fault)).await.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_each_event_is_replayed_once_and_in_order() {
    at_each_call(15, async |(call, fault)| story(Broken::Store(call, fault)).await.1).await;
}
