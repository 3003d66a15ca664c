//! Parking: parked scopes are kept as their lane writes them, and no other process changes them.

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::transition::{Change, Transition};
use event_gateway::store::{EventCounts, LeaseCheck, LogLedger};

use crate::support::drafts::{create, create_in, parked};
use crate::support::ids::{college, diku, log_id, position};
use crate::support::store_fixture::{OpenStore, StoreFixture, cursors};
use crate::support::store_parking::{found, hold, write_rows, write_rows_of};

pub async fn what_is_parked_is_kept_as_it_was_written<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let lease = hold(&opened, &diku()).await;
    let whole = Parked { key: None, ..parked(&diku(), 2) };
    let mut rows = vec![whole, parked(&diku(), 7)];
    let at = position(19);
    let ends = [State::Releasing, State::Superseded(at), State::Discarded(at)];
    for (number, state) in (11..).zip(ends) {
        let released_to = position(number + 1);
        rows.push(Parked { state, released_to, ledger: 2, ..parked(&diku(), number) });
    }
    let resolved = State::Resolved(at);
    rows.push(Parked { state: resolved, released_to: at, ledger: 3, ..parked(&diku(), 17) });
    assert_eq!(write_rows(&*opened.store, &lease, &rows).await, LeaseCheck::Held);
    assert_eq!(found(&opened, &diku()).await, rows);
    assert!(found(&opened, &college()).await.is_empty());
    let all = opened.store.parked(&diku(), &Follower::relay()).await.unwrap();
    let opened = opened.reopen().await;
    assert_eq!(opened.store.parked(&diku(), &Follower::relay()).await.unwrap(), all);
}

/// Each row is written before the cursor passes it: at most one row is ahead of it, and none is
/// late.
pub async fn the_relay_s_cursor_and_what_is_parked_are_of_one_state<B: StoreFixture>() {
    const ROWS: u64 = 300;
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=ROWS.into()).map(create).collect::<Vec<_>>()).await;
    let lease = hold(&opened, &diku()).await;
    let store = opened.store.clone();
    let its = cursors(&*store, &diku()).await;
    let writing = tokio::spawn(async move {
        for (at, cursor) in (1..=ROWS).zip(&its[1..]) {
            write_rows(&*store, &lease, &[parked(&diku(), at)]).await;
            store.checkpoint(&lease, &Follower::relay(), &[(diku(), *cursor)]).await.unwrap();
        }
    });
    let (mut last, mut seen) = (0, 0);
    while last < ROWS {
        let (cursor, parked) = opened.store.relayed(&diku(), position(1)).await.unwrap();
        let (at, rows) = (cursor.map_or(0, |cursor| cursor.position.number()), parked.len() as u64);
        // Before the cursor has reached the first position, no parked scope is returned.
        assert!(at == 0 || (at..=at + 1).contains(&rows), "{rows} rows, cursor {at}");
        assert!(parked.is_sorted_by_key(|parked| parked.position));
        seen += u32::from(at > last);
        last = at;
        assert!(
            at < ROWS
                || opened.store.relayed(&diku(), position(ROWS + 1)).await.unwrap().1.is_empty()
        );
        tokio::task::yield_now().await;
    }
    assert!(seen > 10, "{seen} states");
    writing.await.unwrap();
}

fn row(tenant: &TenantId, number: u64, state: State, ledger: u64) -> Parked {
    Parked { state, ledger, released_to: position(19), ..parked(tenant, number) }
}

/// A scope that has not ended, or was given up, says what became of events; the last transition of
/// a log says how the next is numbered.
pub async fn only_old_resolved_scopes_are_dropped_and_never_a_log_s_last<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay) = (&opened.store, Follower::relay());
    let (ours, theirs) = (hold(&opened, &diku()).await, hold(&opened, &college()).await);
    let at = position(19);
    let rows = [
        row(&diku(), 1, State::Resolved(at), 3),
        row(&diku(), 2, State::Discarded(at), 2),
        row(&diku(), 3, State::Superseded(at), 2),
        row(&diku(), 4, State::Releasing, 2),
        row(&diku(), 5, State::Resolved(at), 3),
        row(&diku(), 6, State::Resolved(at), 3),
        row(&diku(), 7, State::Resolved(at), 4),
    ];
    assert_eq!(write_rows(&**store, &ours, &rows).await, LeaseCheck::Held);
    let last = [Parked { log_id: log_id(2), ..row(&college(), 1, State::Resolved(at), 3) }];
    assert_eq!(write_rows(&**store, &theirs, &last).await, LeaseCheck::Held);
    let ledgers = async || store.parking_ledgers(ours.lane, &relay).await.unwrap();
    let before = ledgers().await;

    let all = store.parked(&diku(), &relay).await.unwrap();
    let oldest = all.iter().map(|row| row.time).min().unwrap();
    assert_eq!(store.drop_resolved(oldest, 100).await.unwrap(), 0, "they are not old");
    let later = oldest.after(60_000);
    assert_eq!(store.drop_resolved(later, 1).await.unwrap(), 1);
    assert_eq!(store.drop_resolved(later, 100).await.unwrap(), 2);
    let left = found(&opened, &diku()).await;
    let positions: Vec<_> = left.iter().map(|row| row.position.number()).collect();
    assert_eq!(positions, [2, 3, 4, 7]);
    assert_eq!(found(&opened, &college()).await.len(), 1);
    assert_eq!(ledgers().await, before, "the next transition has the same number");
}

pub async fn a_lane_s_ledgers_tell_the_last_transition_of_each_log<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (ours, theirs) = (hold(&opened, &diku()).await, hold(&opened, &college()).await);
    assert_ne!(ours.lane, theirs.lane);
    assert!(opened.store.parking_ledgers(ours.lane, &Follower::relay()).await.unwrap().is_empty());
    let over = Parked { state: State::Discarded(position(9)), ledger: 2, ..parked(&diku(), 4) };
    let former =
        Parked { state: State::Resolved(position(9)), log_id: log_id(7), ..parked(&diku(), 2) };
    write_rows(&*opened.store, &ours, &[parked(&diku(), 3), former, over]).await;
    let of_college = Parked { log_id: log_id(2), ..parked(&college(), 1) };
    write_rows(&*opened.store, &theirs, &[of_college]).await;
    let mut told = opened.store.parking_ledgers(ours.lane, &Follower::relay()).await.unwrap();
    told.sort_unstable();
    let ledger =
        |tenant, log, number, open| LogLedger { tenant, log_id: log_id(log), number, open };
    assert_eq!(told, [ledger(diku(), 1, 2, 1), ledger(diku(), 7, 1, 0)]);
    let told = opened.store.parking_ledgers(theirs.lane, &Follower::relay()).await.unwrap();
    assert_eq!(told, [ledger(college(), 2, 1, 1)]);
}

pub async fn what_was_requested_stays_requested_until_it_is_begun<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (lease, relay) = (hold(&opened, &diku()).await, Follower::relay());
    let one = parked(&diku(), 7);
    let request = async |tenant: TenantId, wanted, reason| {
        opened.store.request(&tenant, &relay, one.event_id, (wanted, reason), None).await.unwrap()
    };
    let change = async |number, change| {
        let Parked { tenant, log_id, event_id, .. } = one.clone();
        let each = [Transition { tenant, log_id, event_id, number, change }];
        opened.store.write_transitions(&lease, &relay, &each).await.unwrap();
        found(&opened, &diku()).await.remove(0)
    };
    assert!(!request(diku(), Request::Release, None).await);
    write_rows(&*opened.store, &lease, std::slice::from_ref(&one)).await;
    assert!(!request(college(), Request::Release, None).await);
    assert!(request(diku(), Request::Discard, Some("it's \"test\" data")).await);
    assert!(!request(diku(), Request::Release, None).await, "something is requested already");
    let counted = change(1, Change::Count { counted_to: position(12), events: 4 }).await;
    assert_eq!((counted.requested, counted.events), (Some(Request::Discard), 4));
    assert_eq!(counted.reason.as_deref(), Some("it's \"test\" data"));
    assert_eq!(change(2, Change::StartRelease).await.requested, None);
    assert!(!request(diku(), Request::Release, None).await, "it is being released");
    assert_eq!(change(3, Change::StopRelease).await.requested, None);
    assert!(request(diku(), Request::Release, None).await);
    assert_eq!(found(&opened, &diku()).await[0].requested, Some(Request::Release));
}

pub async fn a_lane_s_parked_are_those_that_are_not_over<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (ours, theirs) = (hold(&opened, &diku()).await, hold(&opened, &college()).await);
    let releasing = Parked { state: State::Releasing, ..parked(&diku(), 5) };
    let over = Parked { state: State::Superseded(position(4)), ..parked(&diku(), 3) };
    write_rows(&*opened.store, &ours, &[parked(&diku(), 7), over, releasing]).await;
    let of_college = Parked { log_id: log_id(2), ..parked(&college(), 1) };
    write_rows(&*opened.store, &theirs, &[of_college]).await;
    let positions = async |lane: Lane| {
        let found = opened.store.parked_lane(lane, &Follower::relay()).await.unwrap();
        found.iter().map(|parked| parked.position.number()).collect::<Vec<_>>()
    };
    assert_eq!(positions(ours.lane).await, [5, 7]);
    assert_eq!(positions(theirs.lane).await, [1]);
    assert!(positions(Lane::new(2)).await.is_empty());
}

pub async fn the_counts_account_for_every_event<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    assert_eq!(opened.store.event_counts().await.unwrap(), EventCounts::default());
    opened.post(&(1..=20).map(create).collect::<Vec<_>>()).await;
    opened.post(&(1..=5).map(|id| create_in(&college(), id)).collect::<Vec<_>>()).await;
    let event_counts = opened.store.event_counts().await.unwrap();
    assert_eq!((event_counts.head, event_counts.pending, event_counts.published), (25, 25, 0));
    let of_diku = cursors(&*opened.store, &diku()).await;
    let of_college = cursors(&*opened.store, &college()).await;
    let lease = hold(&opened, &diku()).await;
    // A cursor of another incarnation of the log says nothing.
    let former = Cursor { log_id: log_id(9), ..of_college[5] };
    let passed = [(diku(), of_diku[15]), (college(), former)];
    opened.store.checkpoint(&lease, &Follower::relay(), &passed).await.unwrap();
    let over = |state, at| Parked { state, ..parked(&diku(), at) };
    let discarded = Parked { events: 1, ..over(State::Discarded(position(9)), 4) };
    let superseded = Parked { events: 2, ..over(State::Superseded(position(9)), 2) };
    let resolved = Parked { events: 0, ..over(State::Resolved(position(9)), 3) };
    let rows = [parked(&diku(), 7), discarded, superseded, resolved];
    write_rows(&*opened.store, &lease, &rows).await;
    // What another sink has parked is published all the same, but somebody must look at it.
    let of_hexkit = [parked(&diku(), 11)];
    write_rows_of(&*opened.store, &lease, &Follower::hexkit(), &of_hexkit).await;
    let event_counts = opened.store.event_counts().await.unwrap();
    let expected = EventCounts {
        head: 25,
        published: 9,
        pending: 10,
        parked: 3,
        superseded: 2,
        discarded: 1,
        scopes: 2,
    };
    assert_eq!(event_counts, expected);
    let passed = [(diku(), of_diku[20]), (college(), of_college[5])];
    opened.store.checkpoint(&lease, &Follower::relay(), &passed).await.unwrap();
    let event_counts = opened.store.event_counts().await.unwrap();
    assert_eq!((event_counts.published, event_counts.pending), (19, 0));
}
