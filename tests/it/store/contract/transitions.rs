//! Transitions of parked scopes: each changes what its name says, only after the one before it, and
//! under a lease.

use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::time::Time;
use event_gateway::domain::transition::{Change, Transition};
use event_gateway::store::{Error, Lease, LeaseCheck};

use crate::support::drafts::parked;
use crate::support::ids::{diku, log_id, position};
use crate::support::store_fixture::{OpenStore, StoreFixture};
use crate::support::store_parking::{TTL, found, hold};

/// Makes a change of the scope that the event at `at` names.
fn transition(at: u64, number: u64, change: Change) -> Transition {
    let Parked { tenant, log_id, event_id, .. } = parked(&diku(), at);
    Transition { tenant, log_id, event_id, number, change }
}

fn park_at(at: u64) -> Change {
    let Parked { position, topic, key, cause, .. } = parked(&diku(), at);
    Change::Park { position, topic, key, cause }
}

pub async fn each_transition_changes_what_its_name_says<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (lease, relay) = (hold(&opened, &diku()).await, Follower::relay());
    let write = async |number, change| {
        let each = [transition(7, number, change)];
        let written = opened.store.write_transitions(&lease, &relay, &each).await.unwrap();
        assert_eq!(written, LeaseCheck::Held);
        found(&opened, &diku()).await.remove(0)
    };
    let request = async || {
        let (id, why) = (parked(&diku(), 7).event_id, Some("why"));
        opened.store.request(&diku(), &relay, id, (Request::Release, why), None).await.unwrap()
    };
    let mut row = Parked {
        released_to: position(6),
        counted_to: position(6),
        events: 0,
        ..parked(&diku(), 7)
    };
    assert_eq!(write(1, park_at(7)).await, row);
    assert!(opened.store.parked(&diku(), &relay).await.unwrap()[0].time > Time::ZERO);
    assert!(request().await);
    (row.counted_to, row.events) = (position(9), 3);
    (row.requested, row.reason) = (Some(Request::Release), Some("why".to_owned()));
    assert_eq!(write(1, Change::Count { counted_to: position(9), events: 3 }).await, row);
    (row.state, row.requested, row.ledger) = (State::Releasing, None, 2);
    assert_eq!(write(2, Change::StartRelease).await, row);
    (row.released_to, row.events) = (position(8), 1);
    let raise = Change::RaiseReleasedTo { released_to: position(8), events: 1 };
    assert_eq!(write(2, raise).await, row);
    (row.state, row.ledger) = (State::Parked, 3);
    assert_eq!(write(3, Change::StopRelease).await, row);
    assert!(request().await);
    (row.state, row.ledger) = (State::Releasing, 4);
    assert_eq!(write(4, Change::StartRelease).await, row);
    (row.state, row.cause, row.released_to) = (State::Parked, "$again".to_owned(), position(9));
    row.ledger = 5;
    let again = Change::ParkAgain { cause: "$again".to_owned(), released_to: position(9) };
    assert_eq!(write(5, again).await, row);
    let at = position(11);
    (row.state, row.released_to, row.events, row.ledger) = (State::Resolved(at), at, 0, 6);
    assert_eq!(write(6, Change::Resolve { at, events: 0 }).await, row);
    for (scope, change, state) in [
        (8, Change::Supersede { at, events: 2 }, State::Superseded(at)),
        (9, Change::Discard { at, events: 2 }, State::Discarded(at)),
    ] {
        let number = 2 * scope - 9;
        let both =
            [transition(scope, number, park_at(scope)), transition(scope, number + 1, change)];
        for each in both {
            opened.store.write_transitions(&lease, &relay, &[each]).await.unwrap();
        }
        let row = found(&opened, &diku()).await.pop().unwrap();
        let before = position(scope - 1);
        assert_eq!((row.state, row.events, row.ledger), (state, 2, number + 1));
        assert_eq!((row.released_to, row.requested), (before, None));
    }
}

pub async fn transitions_are_written_upon_the_one_before_them_or_not_at_all<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (lease, relay) = (hold(&opened, &diku()).await, Follower::relay());
    let write = async |each: &[Transition]| {
        opened.store.write_transitions(&lease, &relay, each).await.map(drop)
    };
    let went_back = |error: Error| error.to_string().contains("went back");
    assert!(went_back(write(&[transition(3, 2, park_at(3))]).await.unwrap_err()));
    write(&[transition(3, 1, park_at(3))]).await.unwrap();
    // The scopes are one that is missing, one of another log, and one that exists already.
    let start = |at, number| transition(at, number, Change::StartRelease);
    let foreign = Transition { log_id: log_id(7), ..start(3, 1) };
    for (each, why) in [(start(5, 2), "no scope"), (foreign, "another log")] {
        let count = transition(3, 1, Change::Count { counted_to: position(9), events: 9 });
        assert!(went_back(write(&[count, each]).await.unwrap_err()), "{why}");
        assert_eq!(found(&opened, &diku()).await[0].events, 0, "all or none: {why}");
    }
    write(&[transition(5, 2, park_at(5)), transition(3, 2, park_at(3))]).await.unwrap_err();
    assert_eq!(found(&opened, &diku()).await.len(), 1, "all or none");
    assert!(went_back(write(&[start(3, 3)]).await.unwrap_err()));
    let both = [transition(5, 1, park_at(5)), transition(7, 3, park_at(7))];
    assert!(went_back(write(&both).await.unwrap_err()));
    assert_eq!(found(&opened, &diku()).await.len(), 1, "all or none");
    write(&[start(3, 2)]).await.unwrap();
    let ledgers = opened.store.parking_ledgers(lease.lane, &relay).await.unwrap();
    assert_eq!((ledgers[0].number, ledgers[0].open), (2, 1));
    // Each log has numbers of its own.
    let former = Transition { log_id: log_id(7), ..transition(11, 3, park_at(11)) };
    assert!(went_back(write(&[former]).await.unwrap_err()));
}

pub async fn nobody_writes_a_transition_whose_lane_was_taken<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (old, relay) = (hold(&opened, &diku()).await, Follower::relay());
    let new = hold(&opened, &diku()).await;
    let write = async |lease: &Lease, number, change| {
        let each = [transition(7, number, change)];
        opened.store.write_transitions(lease, &relay, &each).await.unwrap()
    };
    assert_eq!(write(&old, 1, park_at(7)).await, LeaseCheck::Lost);
    assert!(found(&opened, &diku()).await.is_empty());
    assert_eq!(write(&new, 1, park_at(7)).await, LeaseCheck::Held);
    assert_eq!(write(&old, 2, Change::StartRelease).await, LeaseCheck::Lost);
    assert_eq!(found(&opened, &diku()).await[0].state, State::Parked);
    opened.store.release(&new).await.unwrap();
    assert_eq!(write(&new, 2, Change::StartRelease).await, LeaseCheck::Lost);
    assert_eq!(opened.store.renew(&new, TTL).await.unwrap(), LeaseCheck::Lost);
}

pub async fn followers_share_no_scopes_numbers_and_requests<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let lease = hold(&opened, &diku()).await;
    let (relay, other) = (Follower::relay(), Follower::parse("hexkit").unwrap());
    let write = async |follower, number, change| {
        let each = [transition(7, number, change)];
        opened.store.write_transitions(&lease, follower, &each).await.map(drop)
    };
    write(&other, 1, park_at(7)).await.unwrap();
    assert!(found(&opened, &diku()).await.is_empty());
    assert_eq!(opened.store.event_counts().await.unwrap().scopes, 1, "of any sink");
    write(&relay, 2, park_at(7)).await.unwrap_err();
    write(&relay, 1, park_at(7)).await.unwrap();
    write(&other, 1, Change::Count { counted_to: position(9), events: 3 }).await.unwrap();
    write(&other, 2, Change::StartRelease).await.unwrap();
    let of = async |follower| opened.store.parked(&diku(), follower).await.unwrap().remove(0);
    assert_eq!((of(&relay).await.state, of(&relay).await.events), (State::Parked, 0));
    assert_eq!((of(&other).await.state, of(&other).await.events), (State::Releasing, 3));
    for (follower, number, state) in [(&relay, 1, State::Parked), (&other, 2, State::Releasing)] {
        let ledgers = opened.store.parking_ledgers(lease.lane, follower).await.unwrap();
        assert_eq!(ledgers.iter().map(|ledger| ledger.number).collect::<Vec<_>>(), [number]);
        let lane = opened.store.parked_lane(lease.lane, follower).await.unwrap();
        assert_eq!(lane.iter().map(|parked| parked.state).collect::<Vec<_>>(), [state]);
    }
    let id = parked(&diku(), 7).event_id;
    let request = async |follower| {
        opened.store.request(&diku(), follower, id, (Request::Release, None), None).await.unwrap()
    };
    assert!(!request(&other).await && request(&relay).await);
    assert_eq!(of(&other).await.requested, None);
}
