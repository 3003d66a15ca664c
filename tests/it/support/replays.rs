//! A replay as the store keeps it, and its submission.

use std::sync::Arc;

use event_gateway::clock::System;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::replay::{
    Plan, Progress, Rate, Replay, ReplayId, ReplayRequest, Target, Timestamp, Wish,
};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::trail::Act;
use event_gateway::domain::transition::{Change, Transition};
use event_gateway::follow::replay::submit::{SubmitDeps, Submitted};
use event_gateway::store::Store;
use uuid::Uuid;

use crate::support::harness::Harness;
use crate::support::ids::{diku, event_id, key, log_id, position, topic};
use crate::support::trail::by;

/// Returns a replay of diku's log with every column set.
pub fn replay(number: u64) -> Replay {
    let target = Target { topic: topic("folio.diku.again"), partitions: 3 };
    Replay {
        id: ReplayId::new(Uuid::from_u128(u128::from(number))),
        tenant: diku(),
        log_id: log_id(1),
        number,
        submitted: Time::from_ms(1_000),
        plan: Plan {
            topics: vec![topic("folio.diku.inventory.item")],
            keys: vec![key("k")],
            types: vec!["UPDATE".to_owned()],
            from: Some(Time::from_ms(7)),
            to: Some(Time::from_ms(9)),
            after: position(2),
            pending_only: true,
            target: Some(target),
            timestamp: Timestamp::Now,
            skip_refused: true,
            joins_from: position(5),
        },
        until: Some(position(9)),
        total: Some(7),
        rate: Rate { events_per_second: Some(10), bytes_per_second: Some(u64::from(u32::MAX) * 2) },
        wish: (Wish::Run, Time::from_ms(1_000)),
        progress: Progress { position: position(2), ..Progress::default() },
    }
}

/// Adds a replay of diku's log that has sent nothing yet, to its own topics or to a target. Returns
/// its id.
pub async fn add(
    store: &dyn Store,
    number: u64,
    target: Option<&Topic>,
    progress: Progress,
) -> ReplayId {
    let target = target.map(|topic| Target { topic: topic.clone(), partitions: 1 });
    let replay = Replay {
        id: ReplayId::new(Uuid::from_u128(u128::from(number))),
        tenant: diku(),
        log_id: store.find_tenant(&diku()).await.unwrap().unwrap().log_id,
        number,
        submitted: Time::ZERO,
        plan: Plan { target, ..Plan::default() },
        until: None,
        total: None,
        rate: Rate::default(),
        wish: (Wish::Run, Time::ZERO),
        progress,
    };
    assert!(store.add_replay(&replay, None).await.unwrap());
    replay.id
}

/// Parks two keys of diku's, `k5` and `k6`, and adds a replay, as a lane would, for a gateway that
/// has no broker. Returns the replay's id; the scopes have `event_id(5)` and `event_id(6)`.
pub async fn add_with_parked(store: &dyn Store) -> ReplayId {
    let log = store.find_tenant(&diku()).await.unwrap().unwrap();
    let lease = store.seize(log.lane, "test", crash::PATIENCE).await.unwrap();
    for (number, id) in [(1_u64, 5), (2, 6)] {
        let change = Change::Park {
            position: position(number),
            topic: topic("folio.diku.inventory.item"),
            key: Some(key(&format!("k{id}"))),
            cause: "too large".to_owned(),
        };
        let (log_id, event_id) = (log.log_id, event_id(id));
        let park = Transition { tenant: diku(), log_id, event_id, number, change };
        store.write_transitions(&lease, &Follower::relay(), &[park]).await.unwrap();
    }
    let replay = Replay { log_id: log.log_id, ..replay(7) };
    assert!(store.add_replay(&replay, None).await.unwrap());
    replay.id
}

/// Submits a replay of the harness's log.
pub async fn submit(harness: &Harness, tenant: &TenantId, request: &ReplayRequest) -> Replay {
    let deps = SubmitDeps {
        store: harness.store.clone(),
        settings: harness.parts.settings.clone(),
        broker: Some(Arc::new(harness.kafka.clone())),
        clock: Arc::new(System),
    };
    match deps.submit(tenant, request, &by(Act::StartReplay)).await.unwrap() {
        Submitted::Replay(replay) => *replay,
        Submitted::Count(count) => panic!("{count:?}"),
    }
}
