//! The promises of the read loop: the same slices however rows are fetched, and no more than asked.

use std::collections::BTreeSet;

use bytes::Bytes;
use uuid::Uuid;

use super::{Along, Fetch, FetchMax, Read, Step, TOPICS_MAX};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Head, Scan, Slice, Start};

const ITEMS: &str = "diku.inventory.item";
const LOANS: &str = "diku.circulation.loan";

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// A log of six events of two bytes; position, time and event id are one number, every third
/// position is a hole, and the topics of items and loans alternate.
fn log(tenant: &TenantId) -> Vec<Envelope> {
    let event = |number: i64| Envelope {
        log_id: LogId::new(Uuid::nil()),
        tenant: tenant.clone(),
        position: Position::from_column(number),
        time: Time::from_ms(number),
        last_delete_all: None,
        erased: None,
        event_id: EventId::new(Uuid::from_u128(number.unsigned_abs().into())),
        topic: topic(if number % 3 == 1 { ITEMS } else { LOANS }),
        key: Key::parse(if number % 2 == 0 { "even" } else { "odd" }).unwrap(),
        event_type: EventType::Create,
        headers: Headers::default(),
        payload: Bytes::from_static(b"{}"),
    };
    [1, 2, 4, 5, 7, 8].map(event).into()
}

fn fetched(log: &[Envelope], fetch: &Fetch) -> Vec<Envelope> {
    let mut bytes = 0;
    let fits = log.iter().filter(|event| {
        event.position > fetch.after
            && match &fetch.along {
                Along::Positions => true,
                Along::Key(key) => **key == event.key,
                Along::Topics(topics) => topics.contains(&event.topic),
            }
    });
    let rows = fits.take(fetch.rows).take_while(|event| {
        let before = bytes;
        bytes += event.payload.len();
        before < fetch.bytes
    });
    rows.cloned().collect()
}

fn read(from: &[(TenantId, Start)], scan: &Scan, fetch_max: FetchMax) -> Vec<Slice> {
    read_counted(from, scan, fetch_max).0
}

/// Reads, and counts the rows that were looked at.
fn read_counted(
    from: &[(TenantId, Start)],
    scan: &Scan,
    fetch_max: FetchMax,
) -> (Vec<Slice>, usize) {
    let mut looked_at = 0;
    let head = |name| Head {
        tenant: tenant(name),
        log_id: LogId::new(Uuid::nil()),
        lane: Lane::new(0),
        position: Position::from_column(8),
        time: Time::from_ms(8),
        is_enabled: true,
    };
    let mut read = Read::new(from, scan, ["one", "two"].map(head), fetch_max);
    while let Some(step) = read.step() {
        match step {
            Step::Find(tenant, from) => {
                let first = log(tenant).into_iter().find(|event| event.position >= from);
                read.found(first.map(|event| (event.position, event.time)));
            }
            Step::List(tenant) => {
                let topics: BTreeSet<_> = log(tenant).into_iter().map(|e| e.topic).collect();
                read.listed(topics.into_iter().collect());
            }
            Step::Fetch(fetch) => {
                let rows = fetched(&log(fetch.tenant), &fetch);
                let mut rows = rows.into_iter().inspect(|_| looked_at += 1);
                let _ = rows.try_for_each(|event| read.push(event));
            }
        }
    }
    (read.slices(), looked_at)
}

fn everything() -> Scan {
    Scan {
        filter: Filter::default(),
        from: None,
        to: None,
        events_each_max: 100,
        events_max: 100,
        bytes_max: 1_000,
        rows_max: 100,
        enabled_only: false,
    }
}

/// Starts at a position, if the log has this event there.
fn start_at(number: i64, event_id: u128) -> Start {
    Start::from(Cursor {
        log_id: LogId::new(Uuid::nil()),
        position: Position::from_column(number),
        event_id: EventId::new(Uuid::from_u128(event_id)),
        time: Time::from_ms(number),
    })
}

fn of_topics(patterns: &[&str]) -> Scan {
    let topics = patterns.iter().map(|pattern| TopicPattern::parse(pattern).unwrap()).collect();
    Scan { filter: Filter { topics, ..Filter::default() }, ..everything() }
}

#[test]
fn a_scan_of_a_topic_looks_at_its_rows_alone() {
    let (start, named) = (Position::START.into(), start_at(2, 2));
    let looked_at = |start: Start, scan: Scan| {
        let from = [(tenant("one"), start)];
        let (slices, looked_at) = read_counted(&from, &scan, FetchMax::Stream);
        let events: Vec<_> = slices[0].events.iter().map(|e| e.position.number()).collect();
        (events, slices[0].scanned.number(), slices[0].more, looked_at)
    };
    assert_eq!(looked_at(start, of_topics(&[ITEMS])), (vec![1, 4, 7], 8, false, 3));
    assert_eq!(looked_at(start, of_topics(&["diku.none"])), (vec![], 8, false, 0));
    let two = Scan { rows_max: 2, ..of_topics(&[ITEMS]) };
    assert_eq!(looked_at(start, two.clone()), (vec![1, 4], 4, true, 2));
    // The row at the start is looked at too, whatever its topic.
    assert_eq!(looked_at(named, of_topics(&[ITEMS])), (vec![4, 7], 8, false, 3));
    assert_eq!(looked_at(named, of_topics(&["diku.none"])), (vec![], 8, false, 1));
    let other = Start { after: Position::from_column(1), ..named };
    assert_eq!(looked_at(other, of_topics(&[ITEMS])), (vec![], 1, false, 1));
    // Patterns are looked up among the log's topics, but not for a short rest of the log.
    let items = of_topics(&["*.*.item"]);
    assert_eq!(looked_at(start, items.clone()), (vec![1, 4, 7], 8, false, 6));
    assert_eq!(looked_at(start, Scan { rows_max: 3, ..items }), (vec![1, 4, 7], 7, true, 3));
    let all = Scan { rows_max: 3, ..of_topics(&["diku.**"]) };
    assert_eq!(looked_at(start, all), (vec![1, 2, 4], 4, true, 3));
}

#[test]
fn topics_are_merged_up_to_a_limit() {
    let names: Vec<_> = (0..=TOPICS_MAX).map(|n| format!("diku.{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let along = |names: &[&str]| {
        Along::of(&of_topics(names).filter).map(|along| match along {
            Along::Topics(topics) => topics.len(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(along(&names[1..]), Some(TOPICS_MAX));
    assert_eq!(along(&["a", "b", "a"]), Some(2));
    assert_eq!((along(&names), along(&["a", "**"])), (None, None));
}

#[test]
fn the_slices_are_the_same_however_the_rows_are_fetched() {
    let starts = [Position::START.into(), Position::from_column(3).into(), start_at(4, 4)];
    let starts = starts.into_iter().chain([start_at(4, 5), start_at(3, 3), start_at(9, 9)]);
    let odd = Filter { keys: vec![Key::parse("odd").unwrap()], ..Filter::default() };
    let scans = [
        everything(),
        Scan { filter: odd, ..everything() },
        of_topics(&[ITEMS]),
        of_topics(&[LOANS, ITEMS]),
        Scan { rows_max: 2, ..of_topics(&[LOANS]) },
        Scan { rows_max: 2, ..of_topics(&["**.item"]) },
        Scan { rows_max: 2, ..of_topics(&["**.none"]) },
        Scan { events_each_max: 1, from: Some(Time::from_ms(2)), ..of_topics(&[LOANS]) },
        Scan { from: Some(Time::from_ms(5)), ..everything() },
        Scan { to: Some(Time::from_ms(5)), ..everything() },
        Scan { events_each_max: 2, ..everything() },
        Scan { events_max: 5, ..everything() },
        Scan { bytes_max: 7, ..everything() },
        Scan { rows_max: 3, ..everything() },
    ];
    for start in starts {
        let from = ["one", "unknown", "two"].map(|name| (tenant(name), start));
        for scan in &scans {
            let streamed = read(&from, scan, FetchMax::Stream);
            for (rows, bytes) in [(1, 100), (2, 100), (100, 1), (100, 3), (3, 5)] {
                let chunked = read(&from, scan, FetchMax::Chunk { rows, bytes });
                assert_eq!(chunked, streamed, "{start:?}, {scan:?}, {rows} rows, {bytes} bytes");
            }
        }
    }
}

#[test]
fn no_further_log_is_read_once_the_budget_is_used_up() {
    let from = ["one", "two"].map(|name| (tenant(name), Position::START.into()));
    let lengths = |events_max| {
        let slices = read(&from, &Scan { events_max, ..everything() }, FetchMax::Stream);
        slices.iter().map(|slice| slice.events.len()).collect::<Vec<_>>()
    };
    assert!(lengths(0).is_empty());
    assert_eq!(lengths(6), [6]);
    assert_eq!(lengths(8), [6, 2]);
    assert_eq!(lengths(100), [6, 6]);
}
