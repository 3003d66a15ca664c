//! Scans by topic: the events of a few topics among those of many others.

use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::store::{Scan, Start};
use fastrand::Rng;

use crate::support::drafts::{create_on, updated};
use crate::support::ids::{diku, key, position};
use crate::support::store_fixture::{OpenStore, StoreFixture, all, events};

const EVENTS: u64 = 400;

/// The topics of a log: of the first has half of the events, the second half of the rest, and so
/// on.
fn name(number: usize) -> String {
    let producer = ["inventory", "circulation"][number % 2];
    format!("folio.diku.{producer}.entity{number}")
}

fn of_topics<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Filter {
    let topics = patterns.into_iter().map(|text| TopicPattern::parse(text.as_ref()).unwrap());
    Filter { topics: topics.collect(), ..Filter::default() }
}

/// Makes a log of random events, in random commits with or without time between them.
async fn random_log<B: StoreFixture>(random: &mut Rng) -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    let mut last = 0;
    while last < EVENTS {
        let commit = random.u64(1..=40).min(EVENTS - last);
        let drafts: Vec<_> =
            (last + 1..=last + commit).map(|id| random_draft(random, id)).collect();
        opened.post(&drafts).await;
        last += commit;
        opened.fixture.elapse(Duration::from_millis(random.u64(0..3))).await;
    }
    opened
}

fn random_draft(random: &mut Rng, id: u64) -> Draft {
    let topic = random.u32(1..).leading_zeros().min(11) as usize;
    let state = format!("{{\"fill\":\"{}\"}}", "x".repeat(random.usize(0..200)));
    let draft = create_on(&name(topic), id.into());
    let draft = Draft { key: key(&format!("k{}", random.u8(0..9))), ..draft };
    if random.bool() { draft } else { Draft { content: updated("{}", &state), ..draft } }
}

fn random_filter(random: &mut Rng) -> Filter {
    let some = random.usize(1..=10);
    let named: Vec<_> = (0..some).map(|_| name(random.usize(0..14))).collect();
    let filter = match random.u8(0..6) {
        0 => of_topics(["folio.*.inventory.*"]),
        1 => of_topics(["**.entity1*", "**.entity4"]),
        2 => of_topics([name(3).as_str(), "nothing.**"]),
        3 => of_topics(&named[..1]),
        _ => of_topics(named),
    };
    let keys = (0..random.usize(0..6).saturating_sub(3)).map(|n| key(&format!("k{n}"))).collect();
    let types = if random.u8(0..4) == 0 { vec!["UPDATE".to_owned()] } else { Vec::new() };
    Filter { keys, types, ..filter }
}

fn random_scan(random: &mut Rng, log: &[Envelope]) -> Scan {
    let mut time = || {
        let time = log[random.usize(..log.len())].time.as_ms() + random.i64(-1..=1);
        random.bool().then(|| Time::from_ms(time))
    };
    let (from, to) = (time(), time());
    Scan {
        filter: random_filter(random),
        from,
        to: to.filter(|_| random.bool()),
        events_each_max: random.usize(1..40),
        events_max: random.usize(1..60),
        bytes_max: [0, 500, 5_000, 1 << 30][random.usize(..4)],
        rows_max: [1, 3, 50, 1_000][random.usize(..4)],
        enabled_only: false,
    }
}

pub async fn a_scan_by_topics_gives_what_a_look_at_every_event_gives<B: StoreFixture>() {
    let seed = fastrand::u64(..);
    let random = &mut Rng::with_seed(seed);
    let opened = random_log::<B>(random).await;
    let log = opened.log(&diku()).await;
    assert_eq!(log.len() as u64, EVENTS);
    for _ in 0..60 {
        let (scan, after) = (random_scan(random, &log), random.usize(..=log.len()));
        let within = |e: &&Envelope| {
            scan.from.is_none_or(|time| e.time >= time) && scan.to.is_none_or(|time| e.time < time)
        };
        let matches = log[after..].iter().filter(within).filter(|e| scan.filter.matches(e));
        let wanted: Vec<_> = matches.map(|event| event.position).collect();
        let named = after.checked_sub(1).filter(|_| random.bool()).map(|last| &log[last]);
        let start =
            named.map_or(Start::from(position(after as u64)), |event| Cursor::at(event).into());
        let pages = opened.pages(start, &scan).await;
        let told: Vec<_> = events(&pages).iter().map(|event| event.position).collect();
        assert_eq!(told, wanted, "seed {seed}: {scan:?} after {start:?}");
        let scanned = pages[pages.len() - 1].scanned;
        assert!(scan.to.is_some() || scanned == position(EVENTS), "seed {seed}: {scan:?}");
    }
}

/// Makes a log of which one event in twenty is of the topic `rare`.
async fn mostly_others<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    let draft = |id: u64| {
        let topic = if id.is_multiple_of(20) {
            "folio.diku.rare".to_owned()
        } else {
            name(id as usize % 12)
        };
        create_on(&topic, id.into())
    };
    opened.post(&(1..=EVENTS).map(draft).collect::<Vec<_>>()).await;
    opened
}

pub async fn a_scan_of_a_topic_looks_at_no_other_rows<B: StoreFixture>() {
    let opened = mostly_others::<B>().await;
    let log = opened.log(&diku()).await;
    let wanted: Vec<_> = (20..=EVENTS).step_by(20).map(position).collect();
    let own = wanted.len();
    for patterns in [&["folio.diku.rare"][..], &["folio.diku.rare", "folio.diku.none"], &["*.*.r*"]]
    {
        let scan = |rows_max| Scan { filter: of_topics(patterns), rows_max, ..all() };
        let read = async |start: Start, scan: Scan| {
            let page = opened.store.read(&[(diku(), start)], &scan).await.unwrap().remove(0);
            let events: Vec<_> = page.events.iter().map(|event| event.position).collect();
            (events, page.scanned.number(), page.more)
        };
        // The rows that a read may look at are just enough for those of the topic.
        let all = (wanted.clone(), EVENTS, false);
        assert_eq!(read(Position::START.into(), scan(own + 1)).await, all, "{patterns:?}");
        let few = (wanted[..5].to_vec(), 100, true);
        assert_eq!(read(Position::START.into(), scan(5)).await, few, "{patterns:?}");
        // A cursor may stand at an event of another topic.
        let cursor = Cursor::at(&log[29]);
        let rest = (wanted[1..].to_vec(), EVENTS, false);
        assert_eq!(read(cursor.into(), scan(own + 1)).await, rest, "{patterns:?}");
        let foreign = Cursor { event_id: log[30].event_id, ..cursor };
        let slices = opened.store.read(&[(diku(), foreign.into())], &scan(own + 1)).await.unwrap();
        assert!(!slices[0].has_start && slices[0].events.is_empty(), "{patterns:?}");
    }
}

pub async fn a_follower_of_a_silent_topic_goes_on_to_the_head<B: StoreFixture>() {
    let opened = mostly_others::<B>().await;
    let one = |pattern| Scan { filter: of_topics([pattern]), rows_max: 1, ..all() };
    for pattern in ["folio.diku.none", "none.**"] {
        let page = opened.read(&diku(), position(7), &one(pattern)).await;
        assert_eq!((page.events.len(), page.scanned, page.more), (0, position(EVENTS), false));
    }
    opened.post(&[create_on("folio.diku.none", 1_000), create_on("folio.diku.rare", 1_001)]).await;
    for pattern in ["folio.diku.none", "*.*.no*"] {
        let pages = opened.pages(position(EVENTS), &one(pattern)).await;
        assert!(events(&pages).iter().map(|e| e.position).eq([position(EVENTS + 1)]), "{pattern}");
        assert_eq!(pages[pages.len() - 1].scanned, position(EVENTS + 2), "{pattern}");
    }
}
