//! Groups whose handler has failed, as its worker leaves them in the store.

use event_gateway::domain::subscription::{
    DeadLetter, FailedEvent, Group, Halt, LastFailure, Scope,
};
use event_gateway::domain::time::Time;
use event_gateway::store::{DeadChange, Store, SubscriptionChange};

use super::ids::{diku, key, position, topic};

/// Returns the dead letter of an item of `diku`; without a reason, it waits for an earlier one.
pub fn letter(at: u64, key_of: &str, reason: Option<&str>) -> DeadLetter {
    let failure = reason.map(|why| LastFailure { why: why.to_owned(), attempts: 4 });
    DeadLetter {
        position: position(at),
        topic: topic("folio.diku.inventory.item"),
        key: key(key_of),
        scope: Scope::Key,
        failure,
        since: Time::from_ms(1_000),
        is_redriven: false,
    }
}

/// Adds dead letters to a group of `diku`.
pub async fn bury(store: &dyn Store, group: &str, letters: Vec<DeadLetter>) {
    write(store, group, None, letters.into_iter().map(DeadChange::Put).collect()).await;
}

/// Stops a group of `diku` at an event that was delivered.
pub async fn stop(store: &dyn Store, group: &str, at: u64, why: &str) {
    let failed = Some(FailedEvent { position: position(at), attempts: 4 });
    let halt = Halt { since: Time::from_ms(1_000), why: why.to_owned(), failed, pause: None };
    write(store, group, Some(halt), Vec::new()).await;
}

async fn write(store: &dyn Store, group: &str, halt: Option<Halt>, dead: Vec<DeadChange>) {
    let name = (diku(), Group::parse(group).unwrap());
    let found = store.find_subscriptions(&[name]).await.unwrap().remove(0);
    let mut next = found.subscription;
    if let Some(failed) = halt.as_ref().and_then(|halt| halt.failed) {
        (next.delivered, next.scanned) = (failed.position, failed.position);
    }
    next.halt = halt;
    let change = SubscriptionChange {
        tenant: found.tenant,
        group: found.group,
        version: found.version,
        next: Some(next),
        dead,
        by: None,
    };
    assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [true]);
}
