//! A replay as the store keeps it, and its submission.

use std::sync::Arc;

use event_gateway::clock::System;
use event_gateway::domain::replay::{
    Plan, Progress, Rate, Replay, ReplayId, ReplayRequest, Target, Timestamp, Wish,
};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::follow::replay::submit::{SubmitDeps, Submitted};
use uuid::Uuid;

use crate::support::harness::Harness;
use crate::support::ids::{diku, key, log_id, position, topic};
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
