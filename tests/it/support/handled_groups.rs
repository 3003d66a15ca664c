//! Groups with a handler, and their dead letters, as tests write them.

use event_gateway::domain::floors::{AcceptedGaps, Floors};
use event_gateway::domain::key::Key;
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{
    DeadLetter, Form, Group, LastFailure, Progress, Scope, Subscription,
};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::store::{FoundSubscription, Store, SubscriptionChange};
use event_gateway::subscribe::Marked;

use crate::support::ids::{diku, key, position, topic};
use crate::support::parking::ITEM;

pub fn search() -> Group {
    Group::parse("cg.search").unwrap()
}

/// Returns the form of a group whose events are posted to a URL.
pub fn handled() -> Form {
    let secret = format!("whsec_{}", "a".repeat(32));
    let webhook = format!(r#"{{"url":"http://localhost:1","secrets":["{secret}"]}}"#);
    let failure = r#"{"policy":"park"}"#;
    let form = format!(r#"{{"handler":{{"webhook":{webhook}}},"failure":{failure}}}"#);
    Form::from_column(&form).unwrap()
}

/// Makes the group `cg.search` of a tenant, to whose handler a replica has brought all events up to
/// a position, as generation 1.
pub async fn begin(store: &dyn Store, tenant: TenantId, up_to: u64) {
    let begun = Time::from_ms(0);
    let mut next = Subscription::new(handled(), Position::START, AcceptedGaps::default());
    assert_eq!(next.acquire_for_handler("replica", &Floors::default(), begun), Ok(None));
    let progress = Progress { delivered: Some(position(up_to)), scanned: position(up_to) };
    next.renew(1, progress, begun).unwrap();
    let (group, next, dead) = (search(), Some(next), Vec::new());
    let change = SubscriptionChange { tenant, group, version: 0, next, dead, by: None };
    assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [true]);
}

pub async fn found(store: &dyn Store, tenant: TenantId) -> FoundSubscription {
    store.find_subscriptions(&[(tenant, search())]).await.unwrap().pop().unwrap()
}

/// Returns the dead letters of `diku`'s group `cg.search`.
pub async fn letters(store: &dyn Store) -> Vec<DeadLetter> {
    store.list_dead_letters(&diku(), &search(), Position::START, 99).await.unwrap()
}

/// Returns the positions of those that are to be redriven.
pub async fn redriven(store: &dyn Store) -> Vec<u64> {
    let all = letters(store).await.into_iter().filter(|letter| letter.is_redriven);
    all.map(|letter| letter.position.number()).collect()
}

/// Returns how many dead letters a call has changed, and how many it has left.
pub fn counts(marked: &Marked) -> (u64, u64) {
    (marked.count, marked.left)
}

/// Returns a dead letter of an item at which the handler has failed.
pub fn failed(at: u64, of: &str) -> DeadLetter {
    let failure = Some(LastFailure { why: "it fell \"over\"".to_owned(), attempts: 4 });
    DeadLetter { failure, ..joined(at, of) }
}

/// Returns a dead letter of an item that has joined an earlier one.
pub fn joined(at: u64, of: &str) -> DeadLetter {
    DeadLetter {
        position: position(at),
        topic: topic(ITEM),
        key: key(of),
        scope: Scope::Key,
        failure: None,
        since: Time::from_ms(7),
        is_redriven: false,
    }
}

/// Returns the dead letter of a DELETE_ALL of the items.
pub fn of_all(at: u64) -> DeadLetter {
    DeadLetter { scope: Scope::Topic, ..failed(at, Key::DELETE_ALL) }
}
