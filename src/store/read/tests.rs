//! The promises of the read loop: the same slices however rows are fetched, and no more than asked.

use bytes::Bytes;
use uuid::Uuid;

use super::{Fetch, FetchMax, Read, Step};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::filter::Filter;
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Head, Scan, Slice, Start};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// A log of six events of two bytes; position, time and event id are one number, every third
/// position is a hole.
fn log(tenant: &TenantId) -> Vec<Envelope> {
    let event = |number: i64| Envelope {
        log_id: LogId::new(Uuid::nil()),
        tenant: tenant.clone(),
        position: Position::from_column(number),
        time: Time::from_ms(number),
        last_delete_all: None,
        event_id: EventId::new(Uuid::from_u128(number.unsigned_abs().into())),
        topic: Topic::parse("diku.inventory.item").unwrap(),
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
        event.position > fetch.after && fetch.key.is_none_or(|key| *key == event.key)
    });
    let rows = fits.take(fetch.rows).take_while(|event| {
        let before = bytes;
        bytes += event.payload.len();
        before < fetch.bytes
    });
    rows.cloned().collect()
}

fn read(from: &[(TenantId, Start)], scan: &Scan, fetch_max: FetchMax) -> Vec<Slice> {
    let head = |name| Head {
        tenant: tenant(name),
        log_id: LogId::new(Uuid::nil()),
        lane: Lane::new(0),
        position: Position::from_column(8),
        time: Time::from_ms(8),
    };
    let mut read = Read::new(from, scan, ["one", "two"].map(head), fetch_max);
    while let Some(step) = read.step() {
        match step {
            Step::Find(tenant, time) => {
                let first = log(tenant).into_iter().find(|event| event.time >= time);
                read.found(first.map(|event| event.position));
            }
            Step::Fetch(fetch) => {
                let rows = fetched(&log(fetch.tenant), &fetch);
                let _ = rows.into_iter().try_for_each(|event| read.push(event));
            }
        }
    }
    read.slices()
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
    }
}

#[test]
fn the_slices_are_the_same_however_the_rows_are_fetched() {
    let start = |number: i64, event_id: u128| Start {
        after: Position::from_column(number),
        event_id: Some(EventId::new(Uuid::from_u128(event_id))),
    };
    let starts = [Position::START.into(), Position::from_column(3).into(), start(4, 4)];
    let starts = starts.into_iter().chain([start(4, 5), start(3, 3), start(9, 9)]);
    let odd = Filter { keys: vec![Key::parse("odd").unwrap()], ..Filter::default() };
    let scans = [
        everything(),
        Scan { filter: odd, ..everything() },
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
