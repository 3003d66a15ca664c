//! The parking ledger's transitions: which ones a change makes, and that each event counts once.

use bytes::Bytes;
use uuid::Uuid;

use super::{ParkingLedger, Verdict};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::ledger::Ledger;
use crate::domain::parked::{Parked, State};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::transition::{Change, Transition};
use crate::sink::KnownCursors;

fn at(position: i64) -> Position {
    Position::from_column(position)
}

fn id(position: i64) -> EventId {
    EventId::new(Uuid::from_u128(position.unsigned_abs().into()))
}

/// The event at a position, of a key of the one topic.
fn event(position: i64, key: &str) -> Envelope {
    Envelope {
        log_id: LogId::new(Uuid::nil()),
        tenant: TenantId::parse("diku").unwrap(),
        position: at(position),
        time: Time::ZERO,
        last_delete_all: None,
        erased: None,
        event_id: id(position),
        topic: Topic::parse("item").unwrap(),
        key: Key::parse(key).unwrap(),
        event_type: EventType::Create,
        headers: Headers::default(),
        payload: Bytes::new(),
    }
}

fn delete_all(position: i64) -> Envelope {
    Envelope { event_type: EventType::DeleteAll, ..event(position, "all") }
}

/// The row that the refusal of an event makes: its key's, or its topic's.
fn row(event: &Envelope, is_whole: bool, ledger: u64) -> Parked {
    let before = event.position.back(1);
    Parked {
        event_id: event.event_id,
        tenant: event.tenant.clone(),
        log_id: event.log_id,
        position: event.position,
        topic: event.topic.clone(),
        key: (!is_whole).then(|| event.key.clone()),
        cause: String::new(),
        time: Time::ZERO,
        state: State::Parked,
        released_to: before,
        counted_to: before,
        events: 0,
        requested: None,
        reason: None,
        ledger,
    }
}

fn ledger(rows: Vec<Parked>) -> ParkingLedger {
    let proved = Ledger::of(&rows);
    ParkingLedger::new(rows, &proved, &KnownCursors::new())
}

/// The transitions since the last call: scope, number, change.
fn taken(ledger: &mut ParkingLedger) -> Vec<(i64, u64, Change)> {
    let each = |Transition { event_id, number, change, .. }| {
        let scope = event_id.to_string().rsplit('-').next().unwrap().to_owned();
        (i64::from_str_radix(&scope, 16).unwrap(), number, change)
    };
    ledger.take_transitions().into_iter().map(each).collect()
}

fn count(to: i64, events: u64) -> Change {
    Change::Count { counted_to: at(to), events }
}

#[test]
fn events_are_counted_by_one_transition_that_keeps_the_number() {
    let mut ledger = ledger(vec![row(&event(5, "k"), false, 1)]);
    for event in [event(5, "k"), event(6, "other"), event(7, "k")] {
        ledger.pass(&event);
    }
    ledger.passed(at(9));
    assert_eq!(taken(&mut ledger), [(5, 1, count(9, 2))]);
    assert_eq!(taken(&mut ledger), []);
    // It is written now and then that there is nothing to count.
    ledger.passed(at(20_000));
    assert_eq!(taken(&mut ledger), [(5, 1, count(20_000, 2))]);
}

#[test]
fn a_release_is_a_transition_for_each_of_its_steps() {
    let mut ledger = ledger(vec![row(&event(5, "k"), false, 1)]);
    ledger.pass(&event(5, "k"));
    ledger.pass(&event(7, "k"));
    taken(&mut ledger);
    ledger.start_release(id(5));
    assert_eq!(taken(&mut ledger), [(5, 2, Change::StartRelease)]);
    ledger.raise_released(id(5), at(5), 1);
    let raised = Change::RaiseReleasedTo { released_to: at(5), events: 1 };
    assert_eq!(taken(&mut ledger), [(5, 2, raised)]);
    ledger.stop_release(id(5));
    assert_eq!(taken(&mut ledger), [(5, 3, Change::StopRelease)]);
    ledger.start_release(id(5));
    taken(&mut ledger);
    ledger.resolve(id(5), at(9));
    assert_eq!(taken(&mut ledger), [(5, 5, Change::Resolve { at: at(9), events: 0 })]);
    assert_eq!((ledger.ledger().number, ledger.open().count()), (5, 0));
}

#[test]
fn ends_that_come_together_have_one_number() {
    let rows = vec![row(&event(3, "a"), false, 1), row(&event(5, "b"), false, 2)];
    let mut ledger = ledger(rows);
    ledger.pass(&event(3, "a"));
    ledger.pass(&event(5, "b"));
    ledger.discard(id(3), at(6));
    ledger.pass(&delete_all(7));
    let ends = [
        (3, 3, count(3, 1)),
        (3, 3, Change::Discard { at: at(6), events: 1 }),
        (5, 3, count(5, 1)),
        (5, 3, Change::Supersede { at: at(7), events: 1 }),
    ];
    assert_eq!(taken(&mut ledger), ends);
}

/// The topic's row says that its events are counted up to where it was parked; a takeover passes
/// those again that have come since.
#[test]
fn an_event_of_a_key_that_was_discarded_does_not_count_for_its_topic_too() {
    let key = Parked { counted_to: at(7), events: 2, ..row(&event(3, "k"), false, 1) };
    let topic = row(&event(5, "other"), true, 2);
    let key = Parked { state: State::Discarded(at(8)), ledger: 3, ..key };
    let mut ledger = ledger(vec![key, topic]);
    for event in [event(5, "other"), event(7, "k"), event(9, "k")] {
        ledger.pass(&event);
    }
    assert_eq!(taken(&mut ledger), [(5, 3, count(9, 2))], "5 and 9; 7 was discarded");
}

fn erased(position: i64, key: &str) -> Envelope {
    Envelope { event_type: EventType::Erased, ..event(position, key) }
}

#[test]
fn an_erased_event_discards_the_scope_of_its_key_alone_and_is_sent() {
    let rows = vec![row(&event(5, "k"), false, 1), row(&event(6, "other"), false, 2)];
    let mut ledger = ledger(rows);
    for parked in [event(5, "k"), event(6, "other"), event(7, "k")] {
        assert_eq!(ledger.pass(&parked), Verdict::Park);
    }
    taken(&mut ledger);
    assert!(!ledger.keeps(&erased(8, "k")), "it ends the scope");
    assert_eq!(ledger.pass(&erased(8, "k")), Verdict::Send);
    assert_eq!(taken(&mut ledger), [(5, 3, Change::Discard { at: at(7), events: 2 })]);
    assert_eq!(ledger.pass(&event(9, "k")), Verdict::Send);
    assert_eq!(ledger.pass(&event(9, "other")), Verdict::Park);
}

#[test]
fn an_erased_event_is_parked_with_its_topic() {
    let rows = vec![row(&event(5, "k"), false, 1), row(&event(6, "other"), true, 2)];
    let mut ledger = ledger(rows);
    assert!(ledger.keeps(&erased(8, "k")));
    assert_eq!(ledger.pass(&erased(8, "k")), Verdict::Park);
    assert!(ledger.ends_scopes(&erased(8, "k")), "once it is released");
    assert!(!ledger.ends_scopes(&erased(8, "another")) && !ledger.ends_scopes(&event(8, "k")));
}
