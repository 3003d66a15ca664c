//! Reading: pages, filters, limits, and never a skipped event.

use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::store::{Scan, Slice, Start};

use crate::support::drafts::{
    create, create_in, created, delete_all, deleted, headers, origin, updated,
};
use crate::support::ids::{college, diku, event_id, key, log_id, position, tenant, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture, all, cursors, events};

const TOPICS: [&str; 3] =
    ["folio.diku.inventory.item", "folio.diku.inventory.instance", "folio.diku.users.user"];

/// Makes a log of many kinds of events, in ten commits with time between them.
async fn varied<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    for commit in 0..10_u32 {
        let drafts: Vec<_> = (commit * 7..commit * 7 + 7).map(variety).collect();
        opened.post(&drafts).await;
        opened.fixture.elapse(Duration::from_millis(10)).await;
    }
    opened
}

fn variety(number: u32) -> Draft {
    let id = u128::from(number) + 1;
    if number % 31 == 30 {
        return delete_all(TOPICS[0], id);
    }
    let state =
        format!("{{\"number\":{number},\"fill\":\"{}\"}}", "x".repeat(number as usize * 13 % 200));
    let bodies = [created(&state), updated("{}", &state), deleted(&state)];
    Draft {
        topic: topic(TOPICS[number as usize % TOPICS.len()]),
        key: key(&format!("k{}", number * number % 11)),
        content: bodies[number as usize % 5 % 3].clone(),
        own_headers: headers(&[("colour", if number.is_multiple_of(4) { "red" } else { "blue" })]),
        origin: origin(diku(), &[("x-okapi-user-id", if number % 6 < 3 { "ann" } else { "bob" })]),
        ..create(id)
    }
}

fn filters() -> Vec<Filter> {
    let pattern = |text| TopicPattern::parse(text).unwrap();
    let any = Filter::default();
    vec![
        any.clone(),
        Filter { topics: vec![pattern("folio.*.inventory.*")], ..any.clone() },
        Filter { topics: vec![pattern(TOPICS[1]), pattern("**.user")], ..any.clone() },
        Filter { keys: vec![key("k4")], ..any.clone() },
        Filter { keys: vec![key("none")], ..any.clone() },
        Filter { keys: vec![key("k1"), key("k9")], ..any.clone() },
        Filter { types: vec!["UPDATE".into(), "DELETE_ALL".into()], ..any.clone() },
        Filter {
            keys: vec![key("k5")],
            topics: vec![pattern(TOPICS[0])],
            types: vec!["CREATE".into()],
            ..any
        },
    ]
}

pub async fn a_log_is_read_page_by_page<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=5).map(create).collect::<Vec<_>>()).await;
    let scan = Scan { events_each_max: 2, ..all() };
    let pages = opened.pages(Position::START, &scan).await;
    let told: Vec<_> = pages.iter().map(|p| (p.events.len(), p.scanned.number(), p.more)).collect();
    assert_eq!(told, [(2, 2, true), (2, 4, true), (1, 5, false)]);
    let page = opened.read(&diku(), position(3), &scan).await;
    assert!(page.events.iter().map(|e| e.event_id).eq([4, 5].map(event_id)));
    assert!(!page.more);
}

pub async fn every_filter_gives_what_a_look_at_every_event_gives<B: StoreFixture>() {
    let opened = varied::<B>().await;
    let log = opened.log(&diku()).await;
    assert_eq!(log.len(), 70);
    for filter in filters() {
        let wanted: Vec<_> = log.iter().filter(|event| filter.matches(event)).cloned().collect();
        let page =
            opened.read(&diku(), Position::START, &Scan { filter: filter.clone(), ..all() }).await;
        assert_eq!(page.events, wanted, "{filter:?}");
        assert_eq!((page.scanned, page.more), (position(70), false), "{filter:?}");
    }
}

pub async fn every_limit_gives_the_same_events_in_the_end<B: StoreFixture>() {
    let opened = varied::<B>().await;
    let log = opened.log(&diku()).await;
    let limits = [
        Scan { events_each_max: 3, ..all() },
        Scan { events_max: 4, ..all() },
        Scan { rows_max: 5, ..all() },
        Scan { rows_max: 1, ..all() },
        Scan { bytes_max: 300, ..all() },
        Scan { bytes_max: 0, rows_max: 9, ..all() },
        Scan { events_each_max: 2, rows_max: 3, bytes_max: 500, ..all() },
    ];
    for filter in filters() {
        let wanted: Vec<_> = log.iter().filter(|event| filter.matches(event)).cloned().collect();
        for limit in &limits {
            let pages = opened
                .pages(Position::START, &Scan { filter: filter.clone(), ..limit.clone() })
                .await;
            assert_eq!(events(&pages), wanted, "{filter:?} {limit:?}");
            assert_eq!(pages[pages.len() - 1].scanned, position(70), "{filter:?} {limit:?}");
        }
    }
}

pub async fn from_is_inclusive_and_to_is_exclusive<B: StoreFixture>() {
    let opened = varied::<B>().await;
    let log = opened.log(&diku()).await;
    let (first, last) = (log[0].time, log[69].time);
    let around = |time: Time| [-1, 0, 1].map(|by| Time::from_ms(time.as_ms() + by));
    let times =
        [first, log[21].time, log[22].time, log[50].time, last].into_iter().flat_map(around);
    let times: Vec<_> = [None].into_iter().chain(times.map(Some)).collect();
    let filters = filters();
    for (from, to) in times.iter().flat_map(|from| times.iter().map(move |to| (*from, *to))) {
        for filter in [&filters[0], &filters[2], &filters[3]] {
            let within =
                |e: &&Envelope| from.is_none_or(|t| e.time >= t) && to.is_none_or(|t| e.time < t);
            let wanted = log.iter().filter(within).filter(|e| filter.matches(e)).cloned();
            let scan = Scan { filter: filter.clone(), from, to, events_each_max: 9, ..all() };
            let pages = opened.pages(Position::START, &scan).await;
            assert_eq!(events(&pages), wanted.collect::<Vec<_>>(), "{from:?} {to:?}");
        }
    }
}

pub async fn rows_that_do_not_fit_are_passed_over_within_the_limit<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut drafts: Vec<_> = (1..=10).map(create).collect();
    drafts[7].content = updated("{}", "{}");
    opened.post(&drafts).await;
    let filter = Filter { types: vec!["UPDATE".into()], ..Filter::default() };
    let scan = Scan { filter, rows_max: 4, ..all() };
    let pages = opened.pages(Position::START, &scan).await;
    let told: Vec<_> = pages.iter().map(|p| (p.events.len(), p.scanned.number(), p.more)).collect();
    assert_eq!(told, [(0, 4, true), (1, 8, true), (0, 10, false)]);
}

pub async fn the_first_event_is_given_whatever_its_size<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let large =
        Draft { content: created(&format!("{{\"x\":\"{}\"}}", "x".repeat(5_000))), ..create(1) };
    let largest = Draft { event_id: event_id(4), ..large.clone() };
    opened.post(&[large, create(2), create(3), largest]).await;
    let scan = Scan { bytes_max: 1_000, ..all() };
    let pages = opened.pages(Position::START, &scan).await;
    let told: Vec<_> = pages.iter().map(|p| (p.events.len(), p.scanned.number(), p.more)).collect();
    assert_eq!(told, [(1, 1, true), (2, 3, true), (1, 4, false)]);
}

pub async fn a_full_read_ends_without_slices_for_the_rest<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), create(3)]).await;
    opened.post(&[create_in(&college(), 1), create_in(&college(), 2)]).await;
    let from = [(diku(), Position::START.into()), (college(), Position::START.into())];
    let read = async |scan| opened.store.read(&from, &scan).await.unwrap();
    let told = |slices: Vec<Slice>| -> Vec<_> {
        slices.into_iter().map(|s| (s.tenant, s.events.len(), s.scanned.number(), s.more)).collect()
    };
    let whole = [(diku(), 3, 3, false), (college(), 2, 2, false)];
    assert_eq!(told(read(all()).await), whole);
    let scan = |events_max| Scan { events_max, ..all() };
    assert_eq!(told(read(scan(0)).await), []);
    assert_eq!(told(read(scan(2)).await), [(diku(), 2, 2, true)]);
    assert_eq!(told(read(scan(3)).await), [(diku(), 3, 3, false)]);
    assert_eq!(told(read(scan(4)).await), [(diku(), 3, 3, false), (college(), 1, 1, true)]);
    assert_eq!(told(read(scan(5)).await), whole);
    let each = opened.log(&diku()).await[0].payload.len();
    let bytes = |bytes_max| Scan { bytes_max, ..all() };
    assert_eq!(told(read(bytes(each * 2)).await), [(diku(), 2, 2, true)]);
    assert_eq!(told(read(bytes(each * 3)).await), [(diku(), 3, 3, false)]);
    let rest = [(diku(), 3, 3, false), (college(), 0, 0, true)];
    assert_eq!(told(read(bytes(each * 3 + 1)).await), rest);
}

pub async fn a_tenant_s_own_limit_leaves_room_for_the_others<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=9).map(create).collect::<Vec<_>>()).await;
    opened.post(&[create_in(&college(), 1)]).await;
    let from = [(college(), 0), (diku(), 2), (college(), 1)];
    let from = from.map(|(tenant, after)| (tenant, position(after).into()));
    let slices = opened.store.read(&from, &Scan { events_each_max: 4, ..all() }).await.unwrap();
    let told: Vec<_> =
        slices.iter().map(|s| (&s.tenant, s.events.len(), s.scanned.number(), s.more)).collect();
    assert_eq!(told, [(&college(), 1, 1, false), (&diku(), 4, 6, true), (&college(), 0, 1, false)]);
}

pub async fn a_tenant_that_the_store_does_not_know_has_no_slice<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    let from = [(tenant("stranger"), Position::START.into()), (diku(), Position::START.into())];
    let slices = opened.store.read(&from, &all()).await.unwrap();
    assert!(slices.iter().map(|slice| &slice.tenant).eq([&diku()]));
    assert!(opened.store.read(&[], &all()).await.unwrap().is_empty());
}

pub async fn at_the_head_there_is_nothing_more<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let empty = opened.read(&diku(), Position::START, &all()).await;
    assert_eq!((empty.events.len(), empty.scanned, empty.more), (0, Position::START, false));
    opened.post(&[create(1), create(2)]).await;
    let page = opened.read(&diku(), position(2), &all()).await;
    assert_eq!((page.events.len(), page.scanned, page.more), (0, position(2), false));
    let later = Scan { from: Some(Time::from_ms(i64::MAX)), ..all() };
    let page = opened.read(&diku(), Position::START, &later).await;
    assert_eq!((page.events.len(), page.scanned, page.more), (0, position(2), false));
}

pub async fn a_read_from_a_cursor_reads_on_only_in_the_log_that_has_its_event<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut drafts: Vec<_> = (1..=5).map(create).collect();
    drafts[3].key = key("other");
    opened.post(&drafts).await;
    let its = cursors(&*opened.store, &diku()).await;
    let cursor = |at: u64, id| {
        let time = its.get(at as usize).map_or(Time::ZERO, |its| its.time);
        Cursor { log_id: log_id(1), position: position(at), event_id: event_id(id), time }
    };
    let told = async |start: Start, scan: Scan| {
        let slice = opened.store.read(&[(diku(), start)], &scan).await.unwrap().remove(0);
        let positions: Vec<_> = slice.events.iter().map(|event| event.position.number()).collect();
        (slice.has_start, positions, slice.scanned.number(), slice.more)
    };
    let few = Scan { events_each_max: 2, events_max: 2, rows_max: 2, ..all() };
    let tiny = Scan { bytes_max: 1, ..all() };
    let one_key =
        Scan { filter: Filter { keys: vec![key("other")], ..Filter::default() }, ..all() };
    assert_eq!(told(cursor(2, 2).into(), all()).await, (true, vec![3, 4, 5], 5, false));
    assert_eq!(told(cursor(2, 2).into(), few.clone()).await, (true, vec![3, 4], 4, true));
    assert_eq!(told(cursor(2, 2).into(), tiny).await, (true, vec![3], 3, true));
    assert_eq!(told(cursor(2, 2).into(), one_key).await, (true, vec![4], 5, false));
    assert_eq!(told(cursor(5, 5).into(), all()).await, (true, vec![], 5, false));
    // The log has another event there, or none.
    assert_eq!(told(cursor(2, 3).into(), all()).await, (false, vec![], 2, false));
    let earlier = Cursor { time: its[2].time.before(1), ..its[2] };
    assert_eq!(told(earlier.into(), all()).await, (false, vec![], 2, false));
    assert_eq!(told(cursor(2, 9).into(), few).await, (false, vec![], 2, false));
    assert_eq!(told(cursor(5, 4).into(), all()).await, (false, vec![], 5, false));
    assert_eq!(told(cursor(6, 6).into(), all()).await, (false, vec![], 6, false));
    assert_eq!(told(position(6).into(), all()).await, (true, vec![], 6, false));
}
