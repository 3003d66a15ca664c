//! The documents: hexkit's own layout, and which event each of them has.

use std::collections::BTreeSet;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::{EventId, EventType};
use event_gateway::domain::key::Key;
use event_gateway::domain::position::LogId;
use event_gateway::sink::{Error, Mark, PageSlice, RecordCause};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use uuid::Uuid;

use super::{LANE, bed, page, publish, take_over};
use crate::support::hexkit::{HexkitBed, ITEMS, LOANS, NOTES, settings};
use crate::support::services::kafka::envelopes::Log;

const V4: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
const V7: &str = "019ac0de-0000-7000-8000-000000000001";
const CORRELATION: &str = "0b2a0a39-8cca-4d9c-82e4-5bf370e05170";

/// The next event of a log, with that id.
fn event(log: &mut Log, topic: &str, key: &str, id: &str) -> Envelope {
    let event_id = EventId::parse(id).unwrap();
    let mut event = Envelope { event_id, ..log.event(topic, key, r#"{"é":"ü"}"#) };
    event.headers.push("correlation_id", CORRELATION);
    event
}

/// The DELETE_ALL of a topic.
fn delete_all(log: &mut Log, topic: &str) -> Envelope {
    let event = log.event(topic, Key::DELETE_ALL, r#"{"type":"DELETE_ALL","tenant":"diku"}"#);
    Envelope { event_type: EventType::DeleteAll, ..event }
}

fn uuid(text: &str) -> Bson {
    let bytes = Uuid::parse_str(text).unwrap().into_bytes().to_vec();
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes })
}

/// Returns the slice that publishes an event again, as after a takeover from an older cursor.
fn again(log: &Log, event: &Envelope) -> PageSlice {
    let mut slice = log.slice(vec![event.clone()]);
    slice.cursor = Cursor::at(event);
    slice
}

async fn set(bed: &HexkitBed, id: &str, change: Document) {
    let documents = bed.documents().await;
    let set = documents.update_one(doc! { "_id": id }, doc! { "$set": change });
    assert_eq!(set.await.unwrap().matched_count, 1, "{id}");
}

#[tokio::test]
async fn a_document_has_hexkit_s_own_layout() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink_with(settings(), Mark::Published);
    let loan = event(&mut log, LOANS, "a", V4);
    let item = event(&mut log, ITEMS, "a", V7);
    publish(&sink, 1, vec![log.slice(vec![loan.clone(), item.clone()])]).await;
    let headers = |event: &Envelope| {
        doc! {
            "own": "of the module",
            "x-okapi-request-id": "821257/user;744931/perms",
            "x-okapi-tenant": "diku",
            "folio.tenantId": "diku",
            "log_id": event.log_id.to_string(),
            "position": event.position.to_string(),
        }
    };
    let of_loan = doc! {
        "_id": V4,
        "topic": LOANS,
        "payload": { "é": "ü" },
        "key": "a",
        "type_": "CREATE",
        "event_id": uuid(V4),
        "headers": headers(&loan),
        "correlation_id": uuid(CORRELATION),
        "created": DateTime::from_millis(loan.time.as_ms()),
        "published": true,
    };
    let all = bed.all().await;
    assert_eq!(all[0], of_loan);
    let [_, of_item] = &all[..] else { panic!("{all:#?}") };
    assert_eq!(of_item.get_str("_id").unwrap(), format!("{ITEMS}:a"));
    let mut with_original = headers(&item);
    with_original.insert("original_event_id", V7);
    assert_eq!(of_item.get_document("headers").unwrap(), &with_original);
    let Some(Bson::Binary(id)) = of_item.get("event_id") else { panic!("{of_item}") };
    let id = Uuid::from_slice(&id.bytes).unwrap();
    assert_eq!(id.get_version_num(), 4, "hexkit's models take no other");
}

#[tokio::test]
async fn a_request_without_a_legal_correlation_id_gets_one_that_stays_the_same() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let loan = log.event(LOANS, "a", "{}");
    publish(&sink, 1, vec![log.slice(vec![loan.clone()])]).await;
    let first = bed.all().await;
    let Some(Bson::Binary(id)) = first[0].get("correlation_id") else { panic!("{first:?}") };
    assert_eq!(Uuid::from_slice(&id.bytes).unwrap().get_version_num(), 4);
    bed.documents().await.drop().await.unwrap();
    publish(&sink, 2, vec![again(&log, &loan)]).await;
    assert_eq!(bed.all().await, first);
}

#[tokio::test]
async fn only_a_newer_event_replaces_a_document() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let [first, second, third] = [0, 1, 2].map(|_| log.event(ITEMS, "a", "{}"));
    let id = format!("{ITEMS}:a");
    publish(&sink, 1, vec![again(&log, &first), again(&log, &second)]).await;
    assert_eq!(bed.positions().await[&id], 2);
    publish(&sink, 2, vec![again(&log, &first)]).await;
    assert_eq!(bed.positions().await[&id], 2, "an older event comes again, and replaces nothing");
    set(&bed, &id, doc! { "published": true }).await;
    publish(&sink, 3, vec![again(&log, &second)]).await;
    let published = |all: Vec<Document>| all[0].get_bool("published").unwrap();
    assert!(published(bed.all().await), "the same event comes again, and hexkit's mark stays");
    publish(&sink, 4, vec![again(&log, &third)]).await;
    assert_eq!(bed.positions().await[&id], 3);
    assert!(!published(bed.all().await), "hexkit has not published the newer one");
}

/// hexkit marks an event as published by writing the whole document, and may overwrite a newer one.
#[tokio::test]
async fn a_document_that_hexkit_put_back_is_written_again() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let [first, second, third] = [0, 1, 2].map(|_| log.event(ITEMS, "a", "{}"));
    let id = format!("{ITEMS}:a");
    publish(&sink, 1, vec![again(&log, &first)]).await;
    let before = bed.all().await.remove(0);
    publish(&sink, 2, vec![again(&log, &second)]).await;
    bed.documents().await.replace_one(doc! { "_id": &id }, &before).await.unwrap();
    publish(&sink, 3, vec![again(&log, &second)]).await;
    assert_eq!(bed.positions().await[&id], 2);
    bed.documents().await.replace_one(doc! { "_id": &id }, &before).await.unwrap();
    publish(&sink, 4, vec![again(&log, &third)]).await;
    assert_eq!(bed.positions().await[&id], 3);
}

#[tokio::test]
async fn an_event_that_comes_again_keeps_its_document() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let (own, derived) = (event(&mut log, LOANS, "a", V4), event(&mut log, LOANS, "a", V7));
    publish(&sink, 1, vec![again(&log, &own), again(&log, &derived)]).await;
    let ids: Vec<_> = bed.positions().await.into_keys().collect();
    assert_eq!(ids.len(), 2);
    for id in &ids {
        set(&bed, id, doc! { "published": true }).await;
    }
    // The log has another id after a restore; its events keep theirs.
    log.id = LogId::parse(V4).unwrap();
    let renewed = |event: &Envelope| Envelope { log_id: log.id, ..event.clone() };
    for (term, events) in
        [(2, [own.clone(), derived.clone()]), (3, [renewed(&own), renewed(&derived)])]
    {
        publish(&sink, term, events.iter().map(|event| again(&log, event)).collect()).await;
        assert!(bed.all().await.iter().all(|it| it.get_bool("published").unwrap()));
        assert!(bed.positions().await.into_keys().eq(ids.clone()));
    }
}

#[tokio::test]
async fn tenants_with_the_same_event_id_have_documents_of_their_own() {
    let (bed, mut diku, mut college) = (bed(), Log::new("diku"), Log::new("college"));
    let sink = bed.sink();
    let own = event(&mut diku, LOANS, "a", V4);
    let theirs = event(&mut college, "folio.college.circulation.loan", "a", V4);
    publish(&sink, 1, vec![diku.slice(vec![own]), college.slice(vec![theirs.clone()])]).await;
    let all = bed.all().await;
    assert_eq!(all[0].get_str("_id").unwrap(), V4);
    assert_ne!(all[1].get_str("_id").unwrap(), V4);
    assert_eq!(all[1].get_document("headers").unwrap().get_str("original_event_id").unwrap(), V4);
    publish(&sink, 2, vec![college.slice(vec![theirs])]).await;
    assert_eq!(bed.all().await, all, "it comes again");
}

#[tokio::test]
async fn a_delete_all_removes_older_documents_of_its_compacted_topic() {
    let (bed, mut log, mut other) = (bed(), Log::new("diku"), Log::new("college"));
    let sink = bed.sink();
    let own = doc! { "_id": format!("{ITEMS}:own"), "topic": ITEMS, "headers": {} };
    bed.documents().await.insert_one(own).await.unwrap();
    // More than one transaction removes.
    let old: Vec<_> = (0..1_200).map(|n| log.event(ITEMS, &format!("k{n}"), "{}")).collect();
    let loan = log.event(LOANS, "k1", "{}");
    let theirs = other.event("folio.college.inventory.item", "k1", "{}");
    publish(&sink, 1, vec![other.slice(vec![theirs])]).await;
    publish(&sink, 2, vec![log.slice([&old[..], &[loan]].concat())]).await;
    let (late, all) = (log.event(ITEMS, "late", "{}"), delete_all(&mut log, ITEMS));
    let newer = log.event(ITEMS, "k5", "{}");
    publish(&sink, 3, vec![log.slice(vec![late.clone(), all, newer])]).await;
    let left: Vec<_> =
        bed.all().await.iter().map(|it| it.get_str("_id").unwrap().to_owned()).collect();
    let is_left = |id: &str| left.contains(&format!("{ITEMS}:{id}"));
    assert!(is_left("own") && is_left("k5") && is_left(Key::DELETE_ALL), "{left:?}");
    assert!(left.contains(&"folio.college.inventory.item:k1".to_owned()));
    assert_eq!(left.len(), 5, "with the loan: {left:?}");
    publish(&sink, 4, vec![again(&log, &old[7]), again(&log, &late)]).await;
    assert_eq!(bed.all().await.len(), 5, "what it has deleted does not come back");
}

#[tokio::test]
async fn a_record_that_is_erased_loses_its_documents_and_no_other_does() {
    let (bed, mut log, mut other) = (bed(), Log::new("diku"), Log::new("college"));
    let sink = bed.sink();
    let own = doc! { "_id": "own", "topic": LOANS, "key": "jane", "headers": {} };
    bed.documents().await.insert_one(own).await.unwrap();
    let theirs = other.event(LOANS, "jane", "{}");
    publish(&sink, 1, vec![other.slice(vec![theirs])]).await;
    let old = [
        log.event(LOANS, "jane", "{}"),
        log.event(LOANS, "john", "{}"),
        log.event(ITEMS, "jane", "{}"),
        log.event(LOANS, "jane", "{}"),
    ];
    publish(&sink, 2, vec![log.slice(old.to_vec())]).await;
    assert_eq!(bed.all().await.len(), 6);
    let mut erased = |topic: &str, payload: &'static str| {
        let event = log.event(topic, "jane", payload);
        Envelope { event_type: EventType::Erased, ..event }
    };
    let none = r#"{"type":"ERASED","tenant":"diku"}"#;
    let events = [
        // Erasures that come together, as of a parked scope that is released.
        erased(LOANS, none),
        erased(LOANS, none),
        // A record without a value leaves no document.
        erased(ITEMS, "null"),
    ];
    let newer = log.event(LOANS, "jane", "{}");
    publish(&sink, 3, vec![log.slice([&events[..], &[newer]].concat())]).await;
    let left = bed.all().await;
    let last = left.iter().find(|it| it.get_str("type_").is_ok_and(|it| it == "ERASED")).unwrap();
    let position = last.get_document("headers").unwrap().get_str("position").unwrap();
    assert_eq!(position, events[1].position.to_string());
    let of = |it: &Document| {
        let text = |name: &str| it.get_str(name).unwrap_or("-").to_owned();
        (text("topic"), text("key"), text("type_"))
    };
    let mut left: Vec<_> = left.iter().map(of).collect();
    left.sort_unstable();
    let [jane, john, loans] = ["jane", "john", LOANS].map(str::to_owned);
    let kinds = [
        (loans.clone(), jane.clone(), "-".to_owned()),
        (loans.clone(), jane.clone(), "CREATE".to_owned()),
        (loans.clone(), jane.clone(), "CREATE".to_owned()),
        (loans.clone(), jane, "ERASED".to_owned()),
        (loans, john, "CREATE".to_owned()),
    ];
    assert_eq!(left, kinds, "hexkit's own, the other tenant's, the later one");
    publish(&sink, 4, vec![again(&log, &old[2])]).await;
    assert_eq!(bed.all().await.len(), 5, "what was erased does not come back");
}

/// As after a put-back: the log lacks events that the collection has, under its own id or a former.
#[tokio::test]
async fn what_the_log_has_lost_of_an_erased_record_goes_wherever_it_stood() {
    for is_restored in [true, false] {
        let (bed, mut former, mut log) = (bed(), Log::new("diku"), Log::new("diku"));
        if !is_restored {
            log.id = former.id;
        }
        let sink = bed.sink();
        let lost: Vec<_> = (0..5).map(|_| former.event(LOANS, "jane", "{}")).collect();
        publish(&sink, 1, vec![former.slice(lost.clone())]).await;
        let erased = log.event(LOANS, "jane", r#"{"type":"ERASED","tenant":"diku"}"#);
        let erased = Envelope { event_type: EventType::Erased, time: lost[3].time, ..erased };
        publish(&sink, 2, vec![log.slice(vec![erased.clone()])]).await;
        let of = |it: &Document| {
            let headers = it.get_document("headers").unwrap();
            ["log_id", "position"].map(|name| headers.get_str(name).unwrap().to_owned())
        };
        let left: BTreeSet<_> = bed.all().await.iter().map(of).collect();
        let later = [former.id.to_string(), "5".to_owned()];
        let expected = [later, [log.id.to_string(), "1".to_owned()]];
        assert_eq!(left, expected.into(), "only what is later than the erasure stays");
    }
}

/// The log has lost the event, and the change was posted again with other content.
#[tokio::test]
async fn an_event_that_was_posted_again_replaces_the_document_of_the_one_that_was_lost() {
    for topic in [LOANS, ITEMS] {
        let (bed, mut former, mut log) = (bed(), Log::new("diku"), Log::new("diku"));
        let sink = bed.sink();
        let lost = event(&mut former, topic, "a", V4);
        publish(&sink, 1, vec![former.slice(vec![lost.clone()])]).await;
        let id = bed.all().await[0].get_str("_id").unwrap().to_owned();
        set(&bed, &id, doc! { "published": true }).await;
        let posted = event(&mut log, topic, "a", V4);
        let payload = r#"{"new":7}"#.into();
        let posted = Envelope { payload, time: lost.time.after(1), ..posted };
        publish(&sink, 2, vec![log.slice(vec![posted])]).await;
        let document = bed.all().await.remove(0);
        assert_eq!(document.get_document("payload").unwrap(), &doc! { "new": 7 }, "{topic}");
        assert!(!document.get_bool("published").unwrap(), "{topic}");
    }
}

#[tokio::test]
async fn what_is_not_stored_or_of_no_service_is_left_out_and_passed() {
    let (bed, mut log, mut other) = (bed(), Log::new("diku"), Log::new("without"));
    let sink = bed.sink();
    let events = vec![log.event(NOTES, "a", "{}"), log.event(LOANS, "b", "{}")];
    let theirs = other.event("folio.without.circulation.loan", "c", "[]");
    publish(&sink, 1, vec![log.slice(events), other.slice(vec![theirs])]).await;
    let keys: Vec<_> =
        bed.all().await.iter().map(|it| it.get_str("key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["b"]);
    let cursors = sink.take_over(LANE, 2).await.unwrap().cursors;
    for log in [&log, &other] {
        assert_eq!(cursors.get(&(log.id, sink.follower().clone())), Some(&log.known()));
    }
}

#[tokio::test]
async fn an_event_with_which_hexkit_would_fail_is_refused_with_its_page() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let zeros = format!("{{\"n\":[{}0]}}", "0,".repeat(1_500_000));
    for (key, payload, why) in [
        ("é", "{}", "ASCII"),
        ("a", "[]", "objects"),
        ("a", r#"{"n":1e400}"#, "1e400"),
        ("a", zeros.as_str(), "16 MiB"),
    ] {
        let fine = log.event(LOANS, "b", "{}");
        let refused = log.event(LOANS, key, payload.to_owned());
        let publisher = take_over(&sink, log.cursor().position.number()).await;
        let error = publisher.publish(page(&sink, vec![log.slice(vec![fine, refused])])).await;
        match error.err() {
            Some(Error::Isolate(RecordCause::Refused(said))) => {
                assert!(
                    said.contains(why) && said.contains(&log.cursor().position.to_string()),
                    "{said}"
                );
            }
            other => panic!("{why}: {other:?}"),
        }
    }
    assert!(bed.all().await.is_empty());
    let cursors = sink.take_over(LANE, 1_000).await.unwrap().cursors;
    assert!(cursors.is_empty(), "{cursors:?}");
}
