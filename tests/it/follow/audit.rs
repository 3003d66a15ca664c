//! Stories about the audit: every defect of a topic is found and named, and what is no defect is
//! told apart.

use std::ops::Range;
use std::sync::Arc;

use crash::until;
use event_gateway::clock::System;
use event_gateway::domain::entity::TopicSettings;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::TopicPattern;
use event_gateway::domain::parked::Request;
use event_gateway::domain::position::LogId;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::follow::audit::{self, Audit, AuditDeps, Counts, Defect, Error, Scope};
use event_gateway::follow::replay::submit::{SubmitDeps, Submitted};
use event_gateway::store::TrailScan;
use uuid::Uuid;

use crate::support::erasures::erasure;
use crate::support::harness::Harness;
use crate::support::ids::{diku, event_id, position, topic};
use crate::support::parking::{ITEM, LOAN, draft, ended, mixed};
use crate::support::restore::{
    accepted, append, compared, enabled, go_back, settings, settings_with,
};
use crate::support::trail::by;

/// The events of these stories are of three keys, by turns.
async fn published(ids: Range<u128>) -> Harness {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, ids).await;
    harness.publish(&[diku()]).await;
    harness
}

async fn audit_by(harness: &Harness, settings: &Settings, scope: &Scope) -> Result<Audit, Error> {
    let deps = AuditDeps { store: &*harness.store, kafka: &harness.kafka, settings };
    audit::audit(deps, &enabled(harness).await, scope, &|_| {}).await
}

async fn audited(harness: &Harness) -> Audit {
    audit_by(harness, &settings(), &Scope::default()).await.unwrap()
}

/// Returns each defect of the one topic, with the position and the offset.
fn defects(audit: &Audit) -> Vec<(Defect, u64, Option<i64>)> {
    let findings = audit.topics.iter().flat_map(|topic| &topic.findings);
    let offset = |place: Option<(i32, i64)>| place.map(|(_, offset)| offset);
    findings.map(|it| (it.defect, it.position.number(), offset(it.place))).collect()
}

fn counts(audit: &Audit) -> Counts {
    let topic = audit.topics.iter().find(|audited| audited.topic == topic(ITEM));
    topic.expect("the topic is audited").counts
}

fn later(time: Time) -> Time {
    Time::from_ms(time.as_ms() + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_has_every_event_once_and_in_order_has_no_defect() {
    let harness = published(0..1_200).await;
    let audit = audited(&harness).await;
    assert_eq!((defects(&audit), audit.from, audit.to), (vec![], position(1), position(1_200)));
    let expected = Counts { events: 1_200, records: 1_200, ..Counts::default() };
    assert_eq!(counts(&audit), expected);
    // What is pending is not missing.
    append(&harness, 1_200..1_210).await;
    assert_eq!(audited(&harness).await, audit);
    // A topic may give its records the time of their append.
    harness.kafka.state(|state| state.append_time = Some(Time::from_ms(1)));
    assert_eq!(audited(&harness).await, audit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_defect_is_found_where_it_is() {
    type Change = fn(&mut Vec<Envelope>);
    let cases: [(Change, Defect, u64, Option<i64>); 8] = [
        (|all| drop(all.remove(4)), Defect::Missing, 5, None),
        (|all| drop(all.pop()), Defect::Missing, 12, None),
        (|all| all.push(all[4].clone()), Defect::Duplicated, 5, Some(12)),
        (|all| all.swap(4, 7), Defect::Reordered, 5, Some(7)),
        (|all| all[4].payload = "{}".into(), Defect::Altered, 5, Some(4)),
        (|all| all[4].event_id = event_id(77), Defect::Altered, 5, Some(4)),
        (|all| all[4].time = later(all[11].time), Defect::Altered, 5, Some(4)),
        (|all| all[4].headers.push("more", "than was posted"), Defect::Altered, 5, Some(4)),
    ];
    for (change, defect, position, offset) in cases {
        let harness = published(0..12).await;
        harness.kafka.state(|state| change(&mut state.records));
        let audit = audited(&harness).await;
        assert_eq!(defects(&audit), [(defect, position, offset)], "{audit:?}");
        assert_eq!(audit.defects(), 1);
        let missing: Vec<_> = audit.topics.iter().flat_map(|topic| &topic.missing).collect();
        assert_eq!(missing, if defect == Defect::Missing { vec![position] } else { vec![] });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_may_have_an_event_whose_content_was_erased_or_not() {
    let harness = published(0..12).await;
    harness.store.add_erasure(&erasure(&diku(), 1, &[ITEM], "k0"), None).await.unwrap();
    let followers = harness.follow();
    harness.until_cursor(|cursor| cursor == Some(13), &diku()).await;
    followers.stop().await;
    let audit = audited(&harness).await;
    assert_eq!((defects(&audit), counts(&audit).erased), (vec![], 4));
    harness.kafka.state(|state| state.records.remove(3));
    assert_eq!(defects(&audited(&harness).await), [], "the event at position 4 was erased");
    harness.kafka.state(|state| state.records.remove(3));
    let missing = (Defect::Missing, 5, None);
    assert_eq!(defects(&audited(&harness).await), [missing], "it was not erased");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_log_has_for_another_topic_is_unknown() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.append(&diku(), vec![draft(&diku(), ITEM, "k", 1), draft(&diku(), LOAN, "k", 2)]).await;
    harness.publish(&[diku()]).await;
    assert_eq!(defects(&audited(&harness).await), []);
    harness.kafka.state(|state| {
        let loan = state.records[1].clone();
        state.records.push(Envelope { topic: topic(ITEM), ..loan });
    });
    assert_eq!(defects(&audited(&harness).await), [(Defect::Unknown, 2, Some(1))]);
    let items = Scope { topics: vec![TopicPattern::exact(&topic(ITEM))], since: None };
    let audit = audit_by(&harness, &settings(), &items).await.unwrap();
    assert_eq!((audit.topics.len(), audit.defects()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_another_log_are_foreign() {
    let harness = published(0..12).await;
    harness.kafka.state(|state| {
        let other = LogId::new(Uuid::from_u128(77));
        let foreign = Envelope { log_id: other, ..state.records[3].clone() };
        state.records.insert(6, foreign);
    });
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), []);
    assert_eq!(counts(&audit), Counts { events: 12, records: 12, foreign: 1, ..Counts::default() });
}

/// A release publishes a key's events after later events of other keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_is_not_missing_and_what_was_released_is_not_reordered() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k1");
    append(&harness, 0..12).await;
    harness.publish(&[diku()]).await;
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), []);
    assert_eq!(
        counts(&audit),
        Counts { events: 8, records: 8, unpublished: 4, ..Counts::default() }
    );
    harness.allow_all();
    let followers = harness.follow();
    let parked = harness.parked(&diku(), |parked| parked.len() == 1).await;
    harness.ask(&parked[0], Request::Release).await;
    harness.parked(&diku(), ended).await;
    append(&harness, 12..24).await;
    harness.published(&[diku()]).await;
    followers.stop().await;
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), []);
    assert_eq!(counts(&audit), Counts { events: 24, records: 24, ..Counts::default() });
    let order = |state: &crate::support::fake_sink::State| {
        state.records.iter().map(|record| record.position.number()).collect::<Vec<_>>()
    };
    assert!(!harness.kafka.state(|state| order(state)).is_sorted(), "nothing was late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_topic_no_longer_keeps_has_expired_and_a_later_hole_is_missing() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k1");
    append(&harness, 0..12).await;
    harness.publish(&[diku()]).await;
    harness.allow_all();
    let followers = harness.follow();
    let parked = harness.parked(&diku(), |parked| parked.len() == 1).await;
    harness.ask(&parked[0], Request::Release).await;
    harness.parked(&diku(), ended).await;
    append(&harness, 12..24).await;
    harness.published(&[diku()]).await;
    followers.stop().await;
    // The first record that is left is of the release: of key k1, at a position before others
    // that are gone.
    harness.kafka.state(|state| {
        let first = state.records.iter().position(|record| record.position == position(5));
        state.expired = first.unwrap() as i64;
        state.records.retain(|record| record.position != position(20));
    });
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), [(Defect::Missing, 20, None)]);
    let Counts { records, expired, .. } = counts(&audit);
    assert_eq!((records + expired, records), (23, 14), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_needs_only_the_last_event_of_each_key() {
    let compacted = settings_with(TopicSettings { compacted: true, ..TopicSettings::default() });
    let harness = published(0..12).await;
    harness.kafka.state(|state| state.records.retain(|record| record.position >= position(10)));
    let audit = audit_by(&harness, &compacted, &Scope::default()).await.unwrap();
    assert_eq!(defects(&audit), []);
    assert_eq!(counts(&audit).compacted, 9);
    harness.kafka.state(|state| drop(state.records.remove(1)));
    let audit = audit_by(&harness, &compacted, &Scope::default()).await.unwrap();
    assert_eq!(audit.topics[0].missing.iter().collect::<Vec<_>>(), [2, 5, 8, 11]);
    assert_eq!(audited(&harness).await.topics[0].missing.len(), 10, "the topic is not compacted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_before_a_restore_counts_up_to_where_the_log_went_back() {
    let harness = published(0..20).await;
    go_back(&harness, 12, 5);
    append(&harness, 100..104).await;
    let error = audit_by(&harness, &settings(), &Scope::default()).await.unwrap_err();
    assert!(matches!(error, Error::WentBack(tenant) if tenant == diku()));
    let difference = compared(&harness).await.unwrap();
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), []);
    assert_eq!(counts(&audit), Counts { events: 16, records: 16, former: 8, ..Counts::default() });
    harness.kafka.state(|state| {
        state.records.retain(|record| ![3, 14].contains(&record.position.number()));
    });
    let missing = [3, 14].map(|position| (Defect::Missing, position, None));
    assert_eq!(defects(&audited(&harness).await), missing);
}

/// Parked events go along to the log's new id, and are published under it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_parked_before_a_restore_and_released_after_it_has_no_defect() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k1");
    append(&harness, 0..20).await;
    harness.publish(&[diku()]).await;
    go_back(&harness, 12, 5);
    append(&harness, 100..104).await;
    let difference = compared(&harness).await.unwrap();
    accepted(&harness, &difference).await.unwrap();
    harness.allow_all();
    let followers = harness.follow();
    let parked = harness.parked(&diku(), |parked| parked.len() == 1).await;
    harness.ask(&parked[0], Request::Release).await;
    harness.parked(&diku(), ended).await;
    harness.published(&[diku()]).await;
    followers.stop().await;
    let audit = audited(&harness).await;
    assert_eq!(defects(&audit), []);
    assert_eq!((counts(&audit).events, counts(&audit).records), (16, 16), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_from_a_time_on_leaves_out_what_is_before() {
    let harness = published(0..6).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    append(&harness, 6..12).await;
    harness.publish(&[diku()]).await;
    let log = harness.log(&diku()).await;
    harness.kafka.state(|state| {
        state.records.retain(|record| ![2, 7].contains(&record.position.number()));
        state.expired = 1;
    });
    let since = |at: usize| Scope { since: Some(log[at].time), topics: Vec::new() };
    let audit = audit_by(&harness, &settings(), &since(6)).await.unwrap();
    assert_eq!((defects(&audit), audit.from), (vec![(Defect::Missing, 7, None)], position(7)));
    let later = Scope { since: Some(later(log[11].time)), topics: Vec::new() };
    let audit = audit_by(&harness, &settings(), &later).await.unwrap();
    assert_eq!((defects(&audit), counts(&audit).events), (vec![], 0));
}

/// Three blocks of positions on two topics: one has a hole beside the record that is altered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_altered_among_ten_thousand_is_found_beside_a_hole() {
    let harness = Harness::new(1, &[diku()]).await;
    for from in (0..10_000).step_by(1_000) {
        harness.append(&diku(), mixed(&diku(), from..from + 1_000)).await;
    }
    harness.publish(&[diku()]).await;
    assert_eq!(audited(&harness).await.defects(), 0);
    harness.kafka.state(|state| {
        state.records[9_001].payload = "{}".into();
        state.records.remove(8_999);
        state.records[5_000].payload = "{}".into();
    });
    let mut found: Vec<_> =
        defects(&audited(&harness).await).into_iter().map(|(it, at, _)| (at, it)).collect();
    found.sort_unstable();
    let expected = [(5_001, Defect::Altered), (9_000, Defect::Missing), (9_002, Defect::Altered)];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_repair_of_a_hole_brings_its_event_and_the_newer_ones_of_its_key() {
    let harness = published(0..12).await;
    harness.kafka.state(|state| drop(state.records.remove(4)));
    let holed = audited(&harness).await;
    assert_eq!(defects(&holed), [(Defect::Missing, 5, None)]);
    let request = audit::repair(&*harness.store, &diku(), &holed.topics[0]).await.unwrap().unwrap();
    let deps = SubmitDeps {
        store: harness.store.clone(),
        settings: harness.parts.settings.clone(),
        broker: Some(Arc::new(harness.kafka.clone())),
        clock: Arc::new(System),
    };
    let Submitted::Replay(replay) = deps.submit(&diku(), &request, &by(Act::Repair)).await.unwrap()
    else {
        panic!("a repair is no dry run");
    };
    let scan = TrailScan { act: Some(Act::Repair), rows_max: 9, ..TrailScan::default() };
    assert_eq!(harness.store.trail(&scan).await.unwrap().len(), 1);
    let followers = harness.follow();
    until("the replay has ended", async || {
        let replays = harness.store.replays(&diku()).await.unwrap();
        replays.iter().all(|replay| !replay.is_open())
    })
    .await;
    followers.stop().await;
    // The keys take turns, three of them.
    let id = replay.id.to_string();
    let again = harness.kafka.state(|state| {
        let its = state.records.iter().filter(|it| it.headers.value("replay_id") == Some(&id));
        its.map(|record| record.position.number()).collect::<Vec<_>>()
    });
    assert_eq!(again, [5, 8, 11]);
    let mended = audited(&harness).await;
    assert_eq!(defects(&mended), []);
    assert_eq!(audit::repair(&*harness.store, &diku(), &mended.topics[0]).await.unwrap(), None);
}
