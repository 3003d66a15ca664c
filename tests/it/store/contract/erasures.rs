//! Erasures: a step empties the record's events, oldest first, and the last one appends the ERASED
//! events with it.

use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::erasure::{Erasure, Progress};
use event_gateway::domain::event::EventType;
use event_gateway::domain::headers::Headers;
use event_gateway::domain::known_topic::TopicUse;
use event_gateway::domain::replay::{Plan, Replay, Target};
use event_gateway::domain::settings::Settings;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::store::{ErasureStep, NotedTopic, PurgeStart};
use tokio::task::yield_now;

use crate::support::drafts::{create, create_on, headers};
use crate::support::erasures::erasure as erasure_of;
use crate::support::ids::{college, diku, event_id, key, position, tenant, topic};
use crate::support::replays::replay;
use crate::support::store_fixture::{OpenStore, StoreFixture};

const ITEM: &str = "folio.diku.inventory.item";
const FORMER: &str = "folio.diku.inventory.former-item";
const LOAN: &str = "folio.diku.circulation.loan";

fn of(on: &str, of: &str, id: u128) -> Draft {
    Draft { key: key(of), own_headers: headers(&[("name", "Jane")]), ..create_on(on, id) }
}

fn erasure(id: u128) -> Erasure {
    erasure_of(&diku(), id, &[ITEM, FORMER], "jane")
}

fn step(erasure: &Erasure, events_max: usize) -> ErasureStep {
    let spec = Settings::default().spec(&diku(), &topic(ITEM));
    let erased = vec![erasure.draft(&spec, WireForm::Convention)];
    ErasureStep { erasure: erasure.clone(), events_max, erased }
}

async fn progress<B: StoreFixture>(opened: &OpenStore<B>, erasure: &Erasure) -> Progress {
    opened.store.find_erasure(&diku(), erasure.id).await.unwrap().unwrap().progress
}

/// Returns the positions of the events that are empty.
fn empty(log: &[Envelope]) -> Vec<u64> {
    let empty = log.iter().filter(|event| event.erased.is_some());
    empty.map(|event| event.position.number()).collect()
}

pub async fn the_events_of_a_record_are_emptied_and_an_erased_event_follows<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, jane) = (&opened.store, erasure(1));
    let posted = [
        of(ITEM, "jane", 11),
        of(ITEM, "john", 12),
        of(FORMER, "jane", 13),
        of(LOAN, "jane", 14),
        of(ITEM, "jane", 15),
    ];
    opened.post(&posted).await;
    let before = opened.log(&diku()).await;
    assert!(store.add_erasure(&jane, None).await.unwrap());
    assert_eq!(store.open_erasures().await.unwrap(), std::slice::from_ref(&jane));
    assert_eq!(store.erase(&step(&jane, 2)).await.unwrap(), 2);
    assert_eq!(empty(&opened.log(&diku()).await), [1, 3], "the oldest first");
    let half = Progress { events: 2, erased_to: position(3), ..Progress::default() };
    assert_eq!(progress(&opened, &jane).await, half);
    assert_eq!(store.erase(&step(&jane, 2)).await.unwrap(), 1);
    let log = opened.log(&diku()).await;
    assert_eq!(empty(&log), [1, 3, 5]);
    for (now, before) in log.iter().zip(&before) {
        let emptied = Envelope {
            erased: now.erased,
            payload: "null".into(),
            headers: Headers::default(),
            ..before.clone()
        };
        let is_empty = now.erased.is_some();
        assert_eq!(now, if is_empty { &emptied } else { before }, "nothing else moves");
    }
    let last = log.last().unwrap();
    assert_eq!((last.position, &last.key), (position(6), &key("jane")));
    assert_eq!((&last.event_type, last.erased), (&EventType::Erased, None));
    assert_eq!(last.payload, r#"{"type":"ERASED","tenant":"diku"}"#);
    let all =
        Progress { events: 3, erased_to: position(5), last: Some(position(6)), completed: None };
    assert_eq!(progress(&opened, &jane).await, all);
    assert_eq!(store.find(&diku(), event_id(11)).await.unwrap().as_ref(), log.first());
    let opened = opened.reopen().await;
    assert_eq!(opened.log(&diku()).await, log);
    assert_eq!(progress(&opened, &jane).await, all);
}

pub async fn a_step_that_is_repeated_changes_nothing_and_later_events_stay<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, jane) = (&opened.store, erasure(1));
    opened.post(&[of(ITEM, "jane", 11), of(ITEM, "jane", 12)]).await;
    let again = erasure(2);
    store.add_erasure(&jane, None).await.unwrap();
    assert!(!store.add_erasure(&again, None).await.unwrap(), "the other one takes the same events");
    store.erase(&step(&jane, 10)).await.unwrap();
    opened.post(&[of(ITEM, "jane", 13)]).await;
    assert_eq!(store.erase(&step(&jane, 10)).await.unwrap(), 0);
    let log = opened.log(&diku()).await;
    assert_eq!((empty(&log), log.len()), (vec![1, 2], 4));
    // The events keep their ids and what they were posted with.
    let receipts = opened.post(&[of(ITEM, "jane", 11)]).await;
    assert_eq!(receipts[0].position, position(1));
    assert!(store.add_erasure(&again, None).await.unwrap(), "the other one leaves what came since");
    assert!(!store.add_erasure(&again, None).await.unwrap());
    let open: Vec<_> = store.open_erasures().await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(open, [jane.id, again.id], "oldest first");
    assert!(store.complete_erasure(&diku(), jane.id, Time::from_ms(7)).await.unwrap());
    assert!(!store.complete_erasure(&diku(), jane.id, Time::from_ms(8)).await.unwrap());
    assert_eq!(progress(&opened, &jane).await.completed, Some(Time::from_ms(7)));
    assert_eq!(store.open_erasures().await.unwrap(), std::slice::from_ref(&again));
    assert!(!store.complete_erasure(&diku(), again.id, Time::from_ms(9)).await.unwrap());
    assert_eq!(store.erase(&step(&again, 10)).await.unwrap(), 1);
    let log = opened.log(&diku()).await;
    assert_eq!((empty(&log), log.len()), (vec![1, 2, 4], 5), "no ERASED event is emptied");
    let ids: Vec<_> = store.erasures(&diku()).await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(ids, [again.id, jane.id], "newest first");
    assert_eq!(store.erasures(&college()).await.unwrap(), []);
    assert!(store.scrub().await.unwrap(), "nobody reads");
    // What is in progress stays, however old it is.
    for (before, dropped) in [(7, 0), (8, 1), (i64::MAX, 0)] {
        assert_eq!(store.drop_erasures(Time::from_ms(before), 10).await.unwrap(), dropped);
    }
    assert!(store.complete_erasure(&diku(), again.id, Time::from_ms(9)).await.unwrap());
    assert_eq!(store.drop_erasures(Time::from_ms(i64::MAX), 1).await.unwrap(), 1);
    assert_eq!(store.erasures(&diku()).await.unwrap(), []);
}

pub async fn a_topic_that_was_noted_once_stays_known<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let (item, loan) = (Subject::new("inventory", "item"), Subject::new("circulation", "loan"));
    let noted = |subject: &Subject, name: &str| (subject.clone(), topic(name));
    store.note_topics(&diku(), &[noted(&item, FORMER), noted(&loan, LOAN)]).await.unwrap();
    store.note_topics(&diku(), &[noted(&item, ITEM), noted(&loan, LOAN)]).await.unwrap();
    let shares = Subject::new("audit", "loan");
    store.note_topics(&diku(), &[noted(&shares, LOAN)]).await.unwrap();
    store.note_topics(&college(), &[]).await.unwrap();
    assert_eq!(store.topics_of(&diku(), &item).await.unwrap(), [topic(FORMER), topic(ITEM)]);
    assert_eq!(store.topics_of(&diku(), &loan).await.unwrap(), [topic(LOAN)]);
    assert_eq!(store.topics_of(&college(), &item).await.unwrap(), []);
    let mut all = [topic(FORMER), topic(ITEM), topic(LOAN)];
    all.sort_unstable();
    assert_eq!(store.all_topics_of(&diku()).await.unwrap(), all);
    assert_eq!(store.all_topics_of(&college()).await.unwrap(), []);
}

pub async fn noted_topics_are_read_page_by_page<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let noted = |tenant: TenantId, name: &str, on: &str| {
        let subject = Subject::new("inventory", name);
        NotedTopic { tenant, subject, topic: topic(on) }
    };
    let all = [
        noted(college(), "loan", "f.college.loan"),
        noted(diku(), "item", "f.diku.former"),
        noted(diku(), "item", "f.diku.item"),
        noted(diku(), "loan", "f.diku.loan"),
    ];
    for NotedTopic { tenant, subject, topic } in all.iter().rev() {
        store.note_topics(tenant, &[(subject.clone(), topic.clone())]).await.unwrap();
    }
    let page =
        async |after: Option<&NotedTopic>, max| store.noted_topics(after, max).await.unwrap();
    assert_eq!(page(None, 10).await, all);
    assert_eq!(page(None, 3).await, all[..3]);
    assert_eq!(page(Some(&all[1]), 10).await, all[2..]);
    assert_eq!(page(Some(&all[2]), 1).await, all[3..]);
    assert_eq!(page(Some(&all[3]), 1).await, []);
}

pub async fn topics_are_known_by_what_kafka_takes_for_the_same_name<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let note = async |tenant: &TenantId, names: &[&str]| {
        let subject = Subject::new("inventory", "item");
        let noted: Vec<_> = names.iter().map(|name| (subject.clone(), topic(name))).collect();
        store.note_topics(tenant, &noted).await.unwrap();
    };
    note(&diku(), &["f.diku.item", "f.free", "f.shared"]).await;
    note(&college(), &["f.diku_item", "f.shared"]).await;
    note(&tenant("nobody"), &["f.nobody", "f.shared"]).await;
    for (number, name) in [(1, "f.again"), (2, "f.again"), (3, "f.other")] {
        let target = Some(Target { topic: topic(name), partitions: 1 });
        let plan = Plan { target, ..replay(number).plan };
        assert!(store.add_replay(&Replay { plan, ..replay(number) }, None).await.unwrap());
    }
    let known = async |tenant: &TenantId, names: &[&str]| {
        let asked: Vec<_> = names.iter().map(|name| topic(name)).collect();
        let found = store.known_topics(tenant, &asked).await.unwrap().into_iter();
        let told = found.map(|it| (format!("{} of {}", it.topic, it.tenant), it.usage));
        let mut found: Vec<_> = told.collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    };
    let events = |told: &str| (told.to_owned(), TopicUse::Events);
    let both = [events("f.diku.item of diku"), events("f.diku_item of college")];
    assert_eq!(known(&diku(), &["f_diku_item"]).await, both);
    assert_eq!(known(&diku(), &["f.shared"]).await, [events("f.shared of college")]);
    assert_eq!(known(&college(), &["f.shared"]).await, [events("f.shared of diku")]);
    let target = ("f.again of diku".to_owned(), TopicUse::Target(replay(2).id));
    let found = [target, events("f.free of diku")];
    assert_eq!(known(&college(), &["f_again", "f.free", "f.none"]).await, found);
    assert_eq!(known(&diku(), &["f.again", "f.free"]).await, found, "its own ones are told, too");
    assert_eq!(known(&diku(), &["f.nobody", "f.again.x"]).await, [], "nobody has no log");
    assert_eq!(known(&diku(), &[]).await, []);
    let begun = store.begin_purge(&diku(), Time::from_ms(1), None, None).await.unwrap();
    assert_eq!(begun, PurgeStart::Begun);
    assert_eq!(known(&college(), &["f.again", "f.free"]).await, found, "until they are removed");
}

/// Events of the record are appended while it is erased: whichever comes first, none that stands
/// before the ERASED event has content.
pub async fn nothing_before_the_erased_event_has_content_whoever_appends<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let jane = erasure(1);
    opened.store.add_erasure(&jane, None).await.unwrap();
    let appends = async {
        for id in 100..140 {
            opened.post(&[of(ITEM, "jane", id), create(1_000 + id)]).await;
            yield_now().await;
        }
    };
    let erases = async {
        while opened.log(&diku()).await.len() < 8 {
            yield_now().await;
        }
        while progress(&opened, &jane).await.last.is_none() {
            opened.store.erase(&step(&jane, 3)).await.unwrap();
            yield_now().await;
        }
    };
    tokio::join!(appends, erases);
    let log = opened.log(&diku()).await;
    let last = progress(&opened, &jane).await.last.unwrap();
    let its = log.iter().filter(|it| it.key == key("jane") && it.event_type != EventType::Erased);
    let (before, after): (Vec<_>, Vec<_>) = its.partition(|it| it.position < last);
    assert!(before.len() > 3 && before.iter().all(|it| it.erased.is_some()));
    assert!(after.iter().all(|it| it.erased.is_none()));
}
