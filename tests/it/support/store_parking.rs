//! A lane that parks in a store, and the rows that the store then has.

use std::time::Duration;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::transition::{Change, Transition};
use event_gateway::store::{Error, Lease, LeaseCheck, Store};

use crate::support::ids::{diku, event_id, key, log_id, position, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture};

pub const TTL: Duration = Duration::from_secs(5);

/// Returns the lease of the tenant's lane.
pub async fn hold<B: StoreFixture>(opened: &OpenStore<B>, tenant: &TenantId) -> Lease {
    let enabled =
        opened.store.list().await.unwrap().into_iter().find(|e| e.tenant == *tenant).unwrap();
    opened.store.acquire(enabled.lane, "one", TTL).await.unwrap().unwrap()
}

/// Returns the rows without their times, which are the store's.
pub async fn found<B: StoreFixture>(opened: &OpenStore<B>, tenant: &TenantId) -> Vec<Parked> {
    let found = opened.store.parked(tenant, &Follower::relay()).await.unwrap();
    assert!(found.iter().all(|parked| parked.time > Time::ZERO || parked.events == 0));
    found.into_iter().map(|parked| Parked { time: Time::ZERO, ..parked }).collect()
}

/// Writes new rows as they are to be, by the transitions that make them so. Those that the row's
/// ledger number says it had before its last are releases that had to wait.
pub async fn write_rows(store: &dyn Store, lease: &Lease, rows: &[Parked]) -> LeaseCheck {
    write_rows_of(store, lease, &Follower::relay(), rows).await
}

/// The same, of any follower.
pub async fn write_rows_of(
    store: &dyn Store,
    lease: &Lease,
    follower: &Follower,
    rows: &[Parked],
) -> LeaseCheck {
    let mut check = LeaseCheck::Held;
    for number in 1..=rows.iter().map(|row| row.ledger).max().unwrap_or_default() {
        let each: Vec<_> = rows.iter().flat_map(|row| transitions(row, number)).collect();
        check = store.write_transitions(lease, follower, &each).await.unwrap();
    }
    check
}

/// The transitions of a row that have that number.
fn transitions(row: &Parked, number: u64) -> Vec<Transition> {
    let Parked { position, released_to, counted_to, events, ledger, .. } = *row;
    let Parked { topic, key, cause, .. } = row.clone();
    let mut changes = Vec::new();
    if number == 1 {
        changes.push(Change::Park { position, topic, key, cause });
    } else if number < ledger {
        changes.push(Change::StopRelease);
    }
    if number == ledger {
        changes.push(Change::Count { counted_to, events });
        changes.push(Change::RaiseReleasedTo { released_to, events });
        changes.extend(match row.state {
            State::Parked => (ledger > 1).then_some(Change::StopRelease),
            State::Releasing => Some(Change::StartRelease),
            State::Resolved(at) => Some(Change::Resolve { at, events }),
            State::Superseded(at) => Some(Change::Supersede { at, events }),
            State::Discarded(at) => Some(Change::Discard { at, events }),
        });
    }
    let Parked { tenant, log_id, event_id, .. } = row.clone();
    let transition =
        |change| Transition { tenant: tenant.clone(), log_id, event_id, number, change };
    changes.into_iter().map(transition).collect()
}

/// Parks the key `k` of `diku`'s items at position 5.
pub async fn park(store: &dyn Store, lease: &Lease, follower: &Follower) -> Result<(), Error> {
    let change = Change::Park {
        position: position(5),
        topic: topic("folio.diku.inventory.item"),
        key: Some(key("k")),
        cause: "too large".to_owned(),
    };
    let park =
        Transition { tenant: diku(), log_id: log_id(1), event_id: event_id(5), number: 1, change };
    store.write_transitions(lease, follower, &[park]).await.map(drop)
}
