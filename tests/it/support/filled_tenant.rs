//! A tenant that has something in every table of a store.

use event_gateway::domain::claim::ClaimRequest;
use event_gateway::domain::floors::AcceptedGaps;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::json::Raw;
use event_gateway::domain::parked::{Parked, State};
use event_gateway::domain::position::Position;
use event_gateway::domain::replay::{Plan, Progress, Rate, Replay, ReplayId, Wish};
use event_gateway::domain::subject::Subject;
use event_gateway::domain::subscription::{
    DeadLetter, Form, Group, LastFailure, Scope, Subscription,
};
use event_gateway::domain::tenant_job::{
    JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId,
};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Actor;
use event_gateway::store::{
    DeadChange, ExpansionStep, KafkaGroup, Lease, RemovalStep, SubscriptionChange,
};
use uuid::Uuid;

use crate::support::drafts::{create, delete_all, parked};
use crate::support::erasures::erasure;
use crate::support::ids::{diku, key, log_id, position, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture, cursors};
use crate::support::store_parking::{hold, write_rows};

const ITEM: &str = "folio.diku.inventory.item";

/// Returns the key of `diku`'s items that is parked at position 1.
pub fn scope() -> Parked {
    Parked { state: State::Parked, ledger: 1, ..parked(&diku(), 1) }
}

/// Puts something of the tenant into every table.
pub async fn fill<B: StoreFixture>(opened: &OpenStore<B>) -> Lease {
    let store = &opened.store;
    let lease = hold(opened, &diku()).await;
    opened.post(&[create(1), create(2), create(3), delete_all(ITEM, 4)]).await;
    let log = cursors(&**store, &diku()).await;
    store.checkpoint(&lease, &Follower::relay(), &[(diku(), log[2])]).await.unwrap();
    let remove = RemovalStep {
        tenant: diku(),
        log_id: log_id(1),
        stands: Vec::new(),
        topic: topic(ITEM),
        positions: vec![position(1)],
        raises_floor: true,
        compacted_to: Position::START,
        last_time: log[1].time,
        forget_before: Time::ZERO,
    };
    assert_eq!(store.remove(&remove).await.unwrap(), Some(1));
    let expand = ExpansionStep {
        tenant: diku(),
        topic: topic(ITEM),
        request: position(4),
        walked_to: position(3),
        deletes: Vec::new(),
    };
    store.expand(&expand).await.unwrap();
    let subject = Subject::new("inventory", "item");
    store.note_topics(&diku(), &[(subject, topic(ITEM))]).await.unwrap();
    store.fix_partitions(&[(diku(), topic(ITEM), 2)]).await.unwrap();
    assert!(store.add_erasure(&erasure(&diku(), 1, &[ITEM], "k"), None).await.unwrap());
    assert!(store.add_replay(&replay(), None).await.unwrap());
    assert_eq!(store.change_subscriptions(&[subscribe()]).await.unwrap(), [true]);
    let ClaimRequest { run, .. } = claim();
    let claimed = store.claim(&diku(), &run, &claim().roots(), claim().ttl()).await.unwrap();
    assert_eq!(claimed, claim().roots());
    assert!(store.write_kafka_group(&kafka_group("diku")).await.unwrap());
    write_rows(&**store, &lease, &[Parked { position: position(2), ..scope() }]).await;
    let job = TenantJob {
        id: TenantJobId::new(Uuid::from_u128(1)),
        tenant: diku(),
        attributes: TenantAttributes::of(TenantAct::Purge { force: true }, None),
        by: Actor::shell("test"),
        submitted: Time::from_ms(6),
        progress: JobProgress::default(),
    };
    store.add_tenant_job(&job).await.unwrap();
    lease
}

pub fn kafka_group(scope: &str) -> KafkaGroup {
    let (group, holder) = (Group::parse("cg.search").unwrap(), "a run".to_owned());
    let [summary, state] = [(); 2].map(|()| "{}".to_owned());
    KafkaGroup { scope: scope.to_owned(), group, version: 0, holder, summary, state }
}

/// Returns the request for the tenant's claim.
pub fn claim() -> ClaimRequest {
    let text = r#"{"action":"index","eventId":"Order-7"}"#;
    ClaimRequest::parse(&Raw::parse(&text.to_owned().into()).unwrap()).unwrap()
}

/// Returns the dead letter of the group.
pub fn dead_letter() -> DeadLetter {
    DeadLetter {
        position: position(2),
        topic: topic(ITEM),
        key: key("k"),
        scope: Scope::Key,
        failure: Some(LastFailure { why: "it fell \"over\"".to_owned(), attempts: 4 }),
        since: Time::from_ms(7),
        is_redriven: true,
    }
}

pub fn subscribe() -> SubscriptionChange {
    let (tenant, group) = (diku(), Group::parse("cg.search").unwrap());
    let gaps = AcceptedGaps::from_column("{}").unwrap();
    let next = Some(Subscription::new(Form::default(), Position::START, gaps));
    let dead = vec![DeadChange::Put(dead_letter())];
    SubscriptionChange { tenant, group, version: 0, next, dead, by: None }
}

pub fn replay() -> Replay {
    Replay {
        id: ReplayId::new(Uuid::from_u128(1)),
        tenant: diku(),
        log_id: log_id(1),
        number: 1,
        submitted: Time::from_ms(5),
        plan: Plan::default(),
        until: None,
        total: None,
        rate: Rate::default(),
        wish: (Wish::Run, Time::from_ms(5)),
        progress: Progress::default(),
    }
}
