//! Removal: which events go, what stays known of them, and what is told of them afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::Filter;
use event_gateway::domain::floors::Floor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::store::{LogEntry, Outcome, RemovalStep, Store, TopicRange, Weight};
use fastrand::Rng;

use crate::support::drafts::{create, create_in, create_on, other};
use crate::support::ids::{college, diku, event_id, key, log_id, position, tenant, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture, cursors, positions};
use crate::support::store_parking::park;

const ITEM: &str = "folio.diku.inventory.item";
const LOAN: &str = "folio.diku.circulation.loan";
/// Later than every event.
const EVER: Time = Time::from_ms(i64::MAX);

/// Makes the step that removes events of the items of `diku`, and forgets the ids of those that are
/// older.
async fn step(store: &dyn Store, of: &[u64], forget_before: Time) -> RemovalStep {
    let all = cursors(store, &diku()).await;
    let last = all.iter().find(|it| Some(&it.position.number()) == of.iter().max());
    let last_time = last.map_or(Time::ZERO, |last| last.time);
    RemovalStep {
        tenant: diku(),
        log_id: log_id(1),
        stands: Vec::new(),
        topic: topic(ITEM),
        positions: of.iter().copied().map(position).collect(),
        raises_floor: true,
        compacted_to: Position::START,
        last_time,
        forget_before,
    }
}

fn range(of: &str, after: u64, before: u64) -> TopicRange {
    let (after, before) = (position(after), position(before));
    TopicRange { tenant: diku(), topic: topic(of), after, before }
}

/// Appends ten events of `diku`, of which the even ones are loans.
async fn ten<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    let on = |id: u128| create_on(if id.is_multiple_of(2) { LOAN } else { ITEM }, id);
    opened.post(&(1..=10).map(on).collect::<Vec<_>>()).await;
    opened
}

async fn left<B: StoreFixture>(opened: &OpenStore<B>) -> Vec<u64> {
    opened.log(&diku()).await.iter().map(|event| event.position.number()).collect()
}

pub async fn removed_events_are_gone_and_their_floor_rises_with_them<B: StoreFixture>() {
    let opened = ten::<B>().await;
    opened.post(&[create_in(&college(), 1)]).await;
    let store = &opened.store;
    assert_eq!(store.remove(&step(&**store, &[1, 5], EVER).await).await.unwrap(), Some(2));
    assert_eq!(left(&opened).await, [2, 3, 4, 6, 7, 8, 9, 10]);
    assert_eq!(store.find(&diku(), event_id(5)).await.unwrap(), None);
    let floors = store.floors(&diku()).await.unwrap();
    let raised = Floor { floor: position(6), compacted_to: Position::START };
    assert_eq!((floors.of(&topic(ITEM)), floors.of(&topic(LOAN))), (raised, Floor::default()));
    assert_eq!(floors.gap(&Filter::default(), position(4)).unwrap().to, position(5));
    assert!(store.floors(&college()).await.unwrap().gap(&Filter::default(), position(0)).is_none());
    assert_eq!(opened.log(&college()).await.len(), 1);
    // A position of another topic is not this topic's, and what is gone is not there.
    assert_eq!(store.remove(&step(&**store, &[2, 5], EVER).await).await.unwrap(), Some(0));
    assert_eq!(left(&opened).await.len(), 8);
    let head = positions(&opened.append(&[&[create(11)]]).await[0]);
    assert_eq!(head, [11], "positions are never given twice");
}

pub async fn a_floor_never_falls_and_compaction_raises_none<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let store = &opened.store;
    let floor = async || store.floors(&diku()).await.unwrap().of(&topic(ITEM));
    let compacted_to = position(9);
    let compact =
        RemovalStep { raises_floor: false, compacted_to, ..step(&**store, &[7], EVER).await };
    store.remove(&compact).await.unwrap();
    assert_eq!(floor().await, Floor { floor: Position::START, compacted_to });
    store.remove(&step(&**store, &[5], EVER).await).await.unwrap();
    store.remove(&step(&**store, &[1], EVER).await).await.unwrap();
    assert_eq!(floor().await, Floor { floor: position(6), compacted_to });
    let OpenStore { store, fixture: _kept } = opened.reopen().await;
    let floors = store.floors(&diku()).await.unwrap();
    assert_eq!(floors.of(&topic(ITEM)), Floor { floor: position(6), compacted_to });
}

/// A follower that is new begins at the start of the log, where events were removed.
pub async fn the_lag_of_who_stands_before_a_hole_is_that_of_the_next_event<B: StoreFixture>() {
    let opened = ten::<B>().await;
    opened.store.remove(&step(&*opened.store, &[1, 3, 5], Time::ZERO).await).await.unwrap();
    opened.fixture.elapse(Duration::from_millis(20)).await;
    let lag = opened.store.lag(&Follower::parse("new").unwrap()).await.unwrap();
    assert_eq!(lag.events, 10);
    assert!(lag.oldest >= Duration::from_millis(20), "{lag:?}");
}

pub async fn an_event_id_outlives_its_event_until_it_is_forgotten<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let store = &opened.store;
    store.remove(&step(&**store, &[1, 3], Time::ZERO).await).await.unwrap();
    assert_eq!(positions(&opened.append(&[&[create(1)]]).await[0]), [1]);
    let conflict = opened.append(&[&[other(3)]]).await.remove(0);
    assert!(matches!(conflict, Outcome::Conflict(_)), "{conflict:?}");
    assert_eq!(store.forget_ids(&diku(), Time::ZERO, 10).await.unwrap(), 0);
    assert_eq!(store.forget_ids(&college(), EVER, 10).await.unwrap(), 0);
    assert_eq!(store.forget_ids(&diku(), EVER, 1).await.unwrap(), 1);
    assert_eq!(positions(&opened.append(&[&[create(1)]]).await[0]), [11], "it is forgotten");
    assert_eq!(store.forget_ids(&diku(), EVER, 10).await.unwrap(), 1);
    assert_eq!(store.forget_ids(&diku(), EVER, 10).await.unwrap(), 0);
    assert_eq!(positions(&opened.append(&[&[other(3)]]).await[0]), [12]);
    // The ids of events that are in the log stay.
    assert_eq!(positions(&opened.append(&[&[create_on(ITEM, 5)]]).await[0]), [5]);
    store.remove(&step(&**store, &[5], EVER).await).await.unwrap();
    assert_eq!(positions(&opened.append(&[&[create_on(ITEM, 5)]]).await[0]), [13]);
}

pub async fn nothing_is_removed_from_a_log_whose_id_was_rotated<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let (store, old, new) = (&opened.store, log_id(1), log_id(7));
    assert!(store.rotate_log_id(&diku(), old, new, position(4)).await.unwrap());
    assert_eq!(store.remove(&step(&**store, &[1], EVER).await).await.unwrap(), None);
    assert_eq!(left(&opened).await.len(), 10);
    assert_eq!(store.floors(&diku()).await.unwrap().of(&topic(ITEM)), Floor::default());
    let of_new = RemovalStep { log_id: new, ..step(&**store, &[1], EVER).await };
    assert_eq!(store.remove(&of_new).await.unwrap(), Some(1));
    let nobody = RemovalStep { tenant: tenant("nobody"), ..of_new };
    assert_eq!(store.remove(&nobody).await.unwrap(), None);
}

pub async fn a_range_of_a_topic_is_listed_by_position_and_by_key<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut random = Rng::with_seed(7);
    let draft = |random: &mut Rng, id| Draft {
        key: key(&format!("k{}", random.u8(0..5))),
        ..create_on([ITEM, LOAN][random.usize(0..2)], id)
    };
    let drafts: Vec<_> = (1..=200).map(|id| draft(&mut random, id)).collect();
    opened.post(&drafts).await;
    let log = opened.log(&diku()).await;
    let keys: Vec<Key> = ["k0", "k3", "none"].map(key).to_vec();
    for _ in 0..20 {
        let (after, before) = (random.u64(0..200), random.u64(1..=210));
        let max = random.usize(1..30);
        let range = range(ITEM, after, before);
        let in_range = |event: &&Envelope| {
            event.topic == topic(ITEM)
                && event.position > range.after
                && event.position < range.before
        };
        let entry = |event: &Envelope| LogEntry {
            position: event.position,
            key: event.key.clone(),
            event_type: event.event_type.as_str().to_owned(),
            time: event.time,
        };
        let all: Vec<_> = log.iter().filter(in_range).map(entry).collect();
        let first: Vec<_> = all.iter().take(max).cloned().collect();
        assert_eq!(opened.store.entries(&range, max).await.unwrap(), first);
        let each_max = random.usize(1..4);
        let mut expected: BTreeMap<Key, Vec<LogEntry>> = BTreeMap::new();
        for entry in all.iter().rev().filter(|entry| keys.contains(&entry.key)) {
            let of_key = expected.entry(entry.key.clone()).or_default();
            of_key.extend((of_key.len() < each_max).then(|| entry.clone()));
        }
        let mut newest: BTreeMap<Key, Vec<LogEntry>> = BTreeMap::new();
        for entry in opened.store.newest_of_keys(&range, &keys, each_max).await.unwrap() {
            newest.entry(entry.key.clone()).or_default().push(entry);
        }
        assert_eq!(newest, expected);
        let bytes = log.iter().filter(in_range).map(|event| event.payload.len() as u64).sum();
        let weight = Weight { events: all.len() as u64, bytes };
        assert_eq!(opened.store.weigh(&range, EVER).await.unwrap(), weight);
        assert_eq!(opened.store.weigh(&range, Time::ZERO).await.unwrap(), Weight::default());
    }
    let mut topics = opened.store.topics(&diku()).await.unwrap();
    topics.sort_unstable();
    assert_eq!(topics, [topic(LOAN), topic(ITEM)]);
}

pub async fn a_follower_that_is_forgotten_has_no_checkpoint_and_no_parked_scope<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let store = &opened.store;
    let (relay, gone) = (Follower::relay(), Follower::parse("gone").unwrap());
    let cursor = cursors(store.as_ref(), &diku()).await[4];
    let lease = store.seize(Lane::new(0), "test", crash::PATIENCE).await.unwrap();
    for follower in [&relay, &gone] {
        store.checkpoint(&lease, follower, &[(diku(), cursor)]).await.unwrap();
        park(store.as_ref(), &lease, follower).await.unwrap();
    }
    let stands = async || store.stands(&diku()).await.unwrap();
    let mut all = stands().await;
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(all, [(gone.clone(), Some(cursor)), (relay.clone(), Some(cursor))]);
    assert_eq!(stands().await.len(), 2);
    assert_eq!(store.forget_follower(&gone, Some(&college()), None).await.unwrap(), None);
    assert_eq!(stands().await.len(), 2);
    assert_eq!(store.parked(&diku(), &gone).await.unwrap().len(), 1);
    assert_eq!(store.forget_follower(&gone, Some(&diku()), None).await.unwrap(), Some(1));
    assert_eq!(stands().await, [(relay.clone(), Some(cursor))]);
    store.checkpoint(&lease, &gone, &[(diku(), cursor)]).await.unwrap();
    assert_eq!(store.forget_follower(&gone, None, None).await.unwrap(), Some(1));
    assert_eq!(store.parked(&diku(), &gone).await.unwrap(), []);
    assert_eq!(store.parked(&diku(), &relay).await.unwrap().len(), 1);
    assert_eq!(store.forget_follower(&gone, None, None).await.unwrap(), None);
    // A sink that has nothing yet is known too, of every log.
    store.know_sink(&gone).await.unwrap();
    store.know_sink(&gone).await.unwrap();
    let known = [(gone.clone(), None), (relay.clone(), Some(cursor))];
    assert_eq!(stands().await, known);
    assert_eq!(store.forget_follower(&gone, Some(&diku()), None).await.unwrap(), None);
    assert_eq!(stands().await, known, "a log forgets it, the store doesn't");
    assert_eq!(store.forget_follower(&gone, None, None).await.unwrap(), Some(0));
    assert_eq!(stands().await, known[1..]);
}

/// Other sinks get the log from its start under its new id, and meet anew what they refuse.
pub async fn a_rotated_log_keeps_what_the_relay_has_parked_and_no_other_sink<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let store = &opened.store;
    let (relay, other) = (Follower::relay(), Follower::parse("other").unwrap());
    let lease = store.seize(Lane::new(0), "test", crash::PATIENCE).await.unwrap();
    for follower in [&relay, &other] {
        park(store.as_ref(), &lease, follower).await.unwrap();
    }
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(7), position(9)).await.unwrap());
    let kept = store.parked(&diku(), &relay).await.unwrap();
    assert_eq!(kept.iter().map(|it| it.log_id).collect::<Vec<_>>(), [log_id(7)]);
    assert_eq!(store.parked(&diku(), &other).await.unwrap(), []);
}

/// Appends and removals at once hold up each other at most: every append succeeds, and every event
/// that stays is there.
pub async fn appends_and_removals_go_on_beside_each_other<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=300).map(|id| create_on(ITEM, id)).collect::<Vec<_>>()).await;
    let (store, rounds) = (opened.store.clone(), 30);
    let appends = async {
        for round in 0..rounds {
            opened.post(&[create_on(ITEM, 1_000 + round)]).await;
        }
    };
    let removals = async {
        for round in 0..rounds as u64 {
            let some: Vec<u64> = (1..=10).map(|number| round * 10 + number).collect();
            assert_eq!(store.remove(&step(&*store, &some, EVER).await).await.unwrap(), Some(10));
        }
    };
    tokio::join!(appends, removals);
    assert_eq!(left(&opened).await, (301..=330).collect::<Vec<_>>());
    assert_eq!(store.floors(&diku()).await.unwrap().of(&topic(ITEM)).floor, position(301));
}

/// As after a backup was put in place, and the log has grown again since the step was made.
pub async fn nothing_is_removed_once_another_event_stands_there<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let its = cursors(opened.store.as_ref(), &diku()).await;
    let right = step(&*opened.store, &[1, 3], EVER).await;
    let of_another = RemovalStep { last_time: its[3].time.before(1), ..right.clone() };
    assert_eq!(opened.store.remove(&of_another).await.unwrap(), None);
    let beyond = RemovalStep { positions: vec![position(1), position(11)], ..right.clone() };
    assert_eq!(opened.store.remove(&beyond).await.unwrap(), None);
    assert_eq!(left(&opened).await.len(), 10);
    assert_eq!(opened.store.floors(&diku()).await.unwrap().of(&topic(ITEM)), Floor::default());
    assert_eq!(opened.store.remove(&right).await.unwrap(), Some(2));
    assert_eq!(opened.store.remove(&right).await.unwrap(), Some(0), "it was removed before");
}

/// As after a backup was put in place, which lacks what the sinks had when the step was made.
pub async fn nothing_is_removed_once_a_sink_went_back<B: StoreFixture>() {
    let opened = ten::<B>().await;
    let store = &opened.store;
    let [relay, hexkit] = ["relay", "hexkit"].map(|name| Follower::parse(name).unwrap());
    let its = cursors(store.as_ref(), &diku()).await;
    let at = |number: usize, log: u128| Cursor { log_id: log_id(log), ..its[number] };
    let lease = store.seize(Lane::new(0), "test", crash::PATIENCE).await.unwrap();
    let checkpoint = async |follower: &Follower, cursor| {
        store.checkpoint(&lease, follower, &[(diku(), cursor)]).await.unwrap()
    };
    let stood = vec![(relay.clone(), position(6)), (hexkit.clone(), position(4))];
    let step = RemovalStep { stands: stood, ..step(&**store, &[1, 3], EVER).await };
    checkpoint(&relay, at(6, 1)).await;
    assert_eq!(store.remove(&step).await.unwrap(), None, "hexkit has no checkpoint");
    checkpoint(&hexkit, at(4, 2)).await;
    assert_eq!(store.remove(&step).await.unwrap(), None, "hexkit's is of another log");
    checkpoint(&hexkit, at(4, 1)).await;
    checkpoint(&relay, at(5, 1)).await;
    assert_eq!(store.remove(&step).await.unwrap(), None, "the relay's is lower");
    assert_eq!(left(&opened).await.len(), 10);
    assert_eq!(store.floors(&diku()).await.unwrap().of(&topic(ITEM)), Floor::default());
    checkpoint(&relay, at(7, 1)).await;
    assert_eq!(store.remove(&step).await.unwrap(), Some(2));
}
