//! Cursors: checkpoints, the terms under which they are written, and those of a lane.

use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Batch, Lag, Lease, LeaseCheck};

use crate::support::drafts::{create, create_in};
use crate::support::ids::{college, diku, event_id, log_id, position, tenant};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture, cursors};

fn search() -> Follower {
    Follower::parse("cg.search").unwrap()
}

/// A store whose tenants have ten events each, and the cursors of both logs.
struct TenEach<B> {
    opened: OpenStore<B>,
    of_diku: Vec<Cursor>,
    of_college: Vec<Cursor>,
}

impl<B: StoreFixture> TenEach<B> {
    async fn new() -> Self {
        let opened = OpenStore::<B>::new().await;
        opened.post(&(1..=10).map(create).collect::<Vec<_>>()).await;
        opened.post(&(1..=10).map(|id| create_in(&college(), id)).collect::<Vec<_>>()).await;
        let of_diku = cursors(&*opened.store, &diku()).await;
        let of_college = cursors(&*opened.store, &college()).await;
        Self { opened, of_diku, of_college }
    }

    /// Returns `diku` with its cursor at a position.
    fn at(&self, position: usize) -> (TenantId, Cursor) {
        (diku(), self.of_diku[position])
    }

    /// Returns `college` with its cursor at a position.
    fn in_college(&self, position: usize) -> (TenantId, Cursor) {
        (college(), self.of_college[position])
    }
}

/// Makes the lease of a lane whose holder has a term.
fn of_term(term: u64) -> Lease {
    Lease { lane: Lane::new(0), term }
}

pub async fn a_checkpoint_stands_whatever_stood_there<B: StoreFixture>() {
    let ten = TenEach::<B>::new().await;
    let store = &ten.opened.store;
    let relay = Follower::relay();
    let checkpoint =
        async |cursors: &[_]| store.checkpoint(&of_term(1), &relay, cursors).await.unwrap();
    assert_eq!(checkpoint(&[]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(&[ten.at(5), ten.in_college(6)]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(&[ten.at(3)]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(ten.of_diku[3]));
    assert_eq!(store.load(&college(), &relay).await.unwrap(), Some(ten.of_college[6]));
    assert_eq!(store.load(&diku(), &search()).await.unwrap(), None);
}

/// As after a backup was put in place, of which the sink does not know yet.
pub async fn a_checkpoint_is_not_written_if_the_log_lacks_its_event<B: StoreFixture>() {
    let ten = TenEach::<B>::new().await;
    let store = &ten.opened.store;
    let relay = Follower::relay();
    let checkpoint = async |term, cursors: &[_]| {
        store.checkpoint(&of_term(term), &relay, cursors).await.unwrap()
    };
    let its = ten.of_diku[6];
    let beyond = Cursor { position: position(11), event_id: event_id(11), ..ten.of_diku[10] };
    let all_lacking = [
        Cursor { event_id: event_id(12), ..its },
        // The change was lost, and posted again behind others.
        Cursor { time: its.time.before(1), ..its },
        beyond,
    ];
    for lacking in all_lacking {
        assert_eq!(checkpoint(1, &[(diku(), lacking)]).await, LeaseCheck::Held);
        assert_eq!(store.load(&diku(), &relay).await.unwrap(), None, "{lacking:?}");
    }
    checkpoint(1, &[ten.at(3), ten.in_college(2)]).await;
    for lacking in all_lacking {
        let both = [ten.in_college(4), (diku(), lacking)];
        assert_eq!(checkpoint(1, &both).await, LeaseCheck::Held, "{lacking:?}");
        assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(ten.of_diku[3]), "{lacking:?}");
        assert_eq!(
            store.load(&college(), &relay).await.unwrap(),
            Some(ten.of_college[4]),
            "{lacking:?}"
        );
    }
    let both = [(diku(), beyond), ten.in_college(5)];
    assert_eq!(checkpoint(0, &both).await, LeaseCheck::Lost);
    assert_eq!(checkpoint(1, &[ten.at(0)]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(ten.of_diku[0]));
}

pub async fn nobody_writes_a_checkpoint_whose_lane_was_taken<B: StoreFixture>() {
    let ten = TenEach::<B>::new().await;
    let store = &ten.opened.store;
    let relay = Follower::relay();
    let checkpoint = async |term, cursors: &[_]| {
        store.checkpoint(&of_term(term), &relay, cursors).await.unwrap()
    };
    assert_eq!(checkpoint(0, &[ten.in_college(1)]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(1, &[ten.at(5), ten.in_college(6)]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(2, &[ten.at(7)]).await, LeaseCheck::Held);
    assert_eq!(checkpoint(1, &[ten.at(6), ten.in_college(8)]).await, LeaseCheck::Lost);
    assert_eq!(checkpoint(1, &[ten.at(9)]).await, LeaseCheck::Lost);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(ten.of_diku[7]));
    assert_eq!(checkpoint(3, &[ten.at(2), ten.in_college(3)]).await, LeaseCheck::Held);
    assert_eq!(store.load(&diku(), &relay).await.unwrap(), Some(ten.of_diku[2]));
    assert_eq!(store.load(&college(), &relay).await.unwrap(), Some(ten.of_college[3]));
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
    let mut noted = Vec::new();
    for (number, of) in (1..).zip(&enabled) {
        noted.push((of.tenant.clone(), cursors(&*store, &of.tenant).await[number]));
    }
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
    let ten = TenEach::<B>::new().await;
    ten.opened.store.checkpoint(&of_term(1), &search(), &[ten.at(4)]).await.unwrap();
    let opened = ten.opened.reopen().await;
    assert_eq!(opened.store.load(&diku(), &search()).await.unwrap(), Some(ten.of_diku[4]));
}

pub async fn each_follower_has_a_lag_of_its_own<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (relay, search) = (Follower::relay(), search());
    let lag = async |follower: &Follower| opened.store.lag(follower).await.unwrap();
    let events = async |follower: &Follower| lag(follower).await.events;
    let checkpoint = async |follower: &Follower, cursors: &[_]| {
        opened.store.checkpoint(&of_term(1), follower, cursors).await.unwrap()
    };
    assert_eq!(lag(&relay).await, Lag::default());
    opened.post(&(1..=20).map(create).collect::<Vec<_>>()).await;
    opened.post(&(1..=5).map(|id| create_in(&college(), id)).collect::<Vec<_>>()).await;
    let of_diku = cursors(&*opened.store, &diku()).await;
    let of_college = cursors(&*opened.store, &college()).await;
    let at = |position: usize| (diku(), of_diku[position]);
    let in_college = |position: usize| (college(), of_college[position]);
    let former = Cursor { log_id: log_id(1), ..of_college[5] };
    opened.fixture.elapse(Duration::from_millis(20)).await;
    // Of another life of the log, a cursor tells nothing.
    checkpoint(&relay, &[at(15), (college(), former)]).await;
    for (follower, after) in [(&relay, 10), (&search, 25)] {
        let lag = lag(follower).await;
        assert_eq!(lag.events, after, "{follower}");
        assert!(lag.oldest >= Duration::from_millis(20), "{follower}: {lag:?}");
    }
    checkpoint(&relay, &[at(20), in_college(5)]).await;
    assert_eq!((lag(&relay).await, events(&search).await), (Lag::default(), 25));
    checkpoint(&search, &[at(20), in_college(3)]).await;
    assert_eq!((lag(&relay).await, events(&search).await), (Lag::default(), 2));
}
