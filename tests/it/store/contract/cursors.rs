//! Cursors: checkpoints, the terms under which they are written, and those of a lane.

use std::time::Duration;

use event_gateway::domain::event::EventId;
use event_gateway::domain::follower::{Cursor, Follower};
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::store::{Batch, Lag, Lease, LeaseCheck};

use crate::support::drafts::{create, create_in};
use crate::support::ids::{college, diku, event_id, log_id, position, tenant};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture};

fn at(number: u64) -> Cursor {
    Cursor { log_id: log_id(1), position: position(number), event_id: event_id(number.into()) }
}

fn search() -> Follower {
    Follower::parse("cg.search").unwrap()
}

/// Opens a store whose tenants have ten events each.
async fn ten_each<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=10).map(create).collect::<Vec<_>>()).await;
    opened.post(&(1..=10).map(|id| create_in(&college(), id)).collect::<Vec<_>>()).await;
    opened
}

/// Makes the lease of a lane whose holder has a term.
fn of_term(term: u64) -> Lease {
    Lease { lane: Lane::new(0), term }
}

pub async fn a_checkpoint_stands_whatever_stood_there<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = ten_each::<B>().await;
    let relay = Follower::relay();
    let checkpoint =
        async |cursors: &[_]| store.checkpoint(&of_term(1), &relay, cursors).await.unwrap();
    assert_eq!(checkpoint(&[]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(&[(diku(), at(5)), (college(), at(6))]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(&[(diku(), at(3))]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(at(3)));
    assert_eq!(store.load(&college(), &relay).await.unwrap(), Some(at(6)));
    assert_eq!(store.load(&diku(), &search()).await.unwrap(), None);
}

/// As after a backup was put in place, of which the sink does not know yet.
pub async fn a_checkpoint_is_not_written_if_the_log_lacks_its_event<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = ten_each::<B>().await;
    let relay = Follower::relay();
    let checkpoint = async |term, cursors: &[_]| {
        store.checkpoint(&of_term(term), &relay, cursors).await.unwrap()
    };
    let later = Cursor { event_id: event_id(12), ..at(6) };
    assert_eq!(checkpoint(1, &[(diku(), later)]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), None);
    checkpoint(1, &[(diku(), at(3)), (college(), at(2))]).await;
    for lacking in [later, at(11)] {
        let both = [(college(), at(4)), (diku(), lacking)];
        assert_eq!(checkpoint(1, &both).await, LeaseCheck::Held, "{lacking:?}");
        assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(at(3)), "{lacking:?}");
        assert_eq!(store.load(&college(), &relay).await.unwrap(), Some(at(4)), "{lacking:?}");
    }
    let both = [(diku(), at(11)), (college(), at(5))];
    assert_eq!(checkpoint(0, &both).await, LeaseCheck::Lost);
    let start = Cursor { position: Position::START, event_id: EventId::NONE, ..at(1) };
    assert_eq!(checkpoint(1, &[(diku(), start)]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(start));
}

pub async fn nobody_writes_a_checkpoint_whose_lane_was_taken<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = ten_each::<B>().await;
    let relay = Follower::relay();
    let checkpoint = async |term, cursors: &[_]| {
        store.checkpoint(&of_term(term), &relay, cursors).await.unwrap()
    };
    assert_eq!(checkpoint(0, &[(college(), at(1))]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(1, &[(diku(), at(5)), (college(), at(6))]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(2, &[(diku(), at(7))]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(1, &[(diku(), at(6)), (college(), at(8))]).await, LeaseCheck::Lost);
    assert_eq!(checkpoint(1, &[(diku(), at(9))]).await, LeaseCheck::Lost);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(at(7)));
    assert_eq!(checkpoint(3, &[(diku(), at(2)), (college(), at(3))]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(at(2)));
    assert_eq!(store.load(&college(), &relay).await.unwrap(), Some(at(3)));
}

pub async fn a_lane_s_cursors_are_those_of_its_tenants_and_follower<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let relay = Follower::relay();
    for number in 0..7 {
        store.enable_if_new(&tenant(&format!("t{number}")), log_id(10 + number)).await.unwrap();
    }
    let enabled = store.list().await.unwrap();
    for of in &enabled {
        let drafts: Vec<_> = (1..=10).map(|id| create_in(&of.tenant, id)).collect();
        store.append(&[Batch { tenant: of.tenant.clone(), drafts }]).await.unwrap();
    }
    let noted: Vec<_> = (1..).zip(&enabled).map(|(n, e)| (e.tenant.clone(), at(n))).collect();
    store.checkpoint(&of_term(1), &relay, &noted).await.unwrap();
    store.checkpoint(&of_term(1), &search(), &noted[..2]).await.unwrap();
    for lane in Lane::all(LANES) {
        let own = |(tenant, _): &&_| enabled.iter().any(|e| e.tenant == *tenant && e.lane == lane);
        let expected: Vec<_> = noted.iter().filter(own).cloned().collect();
        assert!(!expected.is_empty());
        let mut loaded = store.load_lane(lane, &relay).await.unwrap();
        loaded.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(loaded, expected);
    }
    let mut found = 0;
    for lane in Lane::all(LANES) {
        found += store.load_lane(lane, &search()).await.unwrap().len();
    }
    assert_eq!(found, 2);
}

pub async fn cursors_survive_reopening<B: StoreFixture>() {
    let opened = ten_each::<B>().await;
    opened.store.checkpoint(&of_term(1), &search(), &[(diku(), at(4))]).await.unwrap();
    let opened = opened.reopen().await;
    assert_eq!(opened.store.load(&diku(), &search()).await.unwrap(), Some(at(4)));
}

pub async fn each_follower_has_a_lag_of_its_own<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (relay, search) = (Follower::relay(), search());
    let lag = async |follower: &Follower| opened.store.lag(follower).await.unwrap();
    let events = async |follower: &Follower| lag(follower).await.events;
    let in_college = |number| Cursor { log_id: log_id(2), ..at(number) };
    let checkpoint = async |follower: &Follower, cursors: &[_]| {
        opened.store.checkpoint(&of_term(1), follower, cursors).await.unwrap()
    };
    assert_eq!(lag(&relay).await, Lag::default());
    opened.post(&(1..=20).map(create).collect::<Vec<_>>()).await;
    opened.post(&(1..=5).map(|id| create_in(&college(), id)).collect::<Vec<_>>()).await;
    opened.fixture.elapse(Duration::from_millis(20)).await;
    // Of another life of the log, a cursor tells nothing.
    checkpoint(&relay, &[(diku(), at(15)), (college(), at(5))]).await;
    for (follower, after) in [(&relay, 10), (&search, 25)] {
        let lag = lag(follower).await;
        assert_eq!(lag.events, after, "{follower}");
        assert!(lag.oldest >= Duration::from_millis(20), "{follower}: {lag:?}");
    }
    checkpoint(&relay, &[(diku(), at(20)), (college(), in_college(5))]).await;
    assert_eq!((lag(&relay).await, events(&search).await), (Lag::default(), 25));
    checkpoint(&search, &[(diku(), at(20)), (college(), in_college(3))]).await;
    assert_eq!((lag(&relay).await, events(&search).await), (Lag::default(), 2));
}
