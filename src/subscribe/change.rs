//! Changes of one subscription: found, decided on, and written upon the version that was found.
//!
//! Whoever changes a group at the same moment is seen by the version; then the change is decided
//! again.

use super::Error;
use crate::domain::subscription::{Group, Refusal, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::{self, DeadChange, FoundSubscription, Store, SubscriptionChange};

/// The number of times that a change is decided.
pub(super) const TRIES_MAX: u32 = 20;

/// Finds a subscription.
pub(super) async fn find(
    store: &dyn Store,
    tenant: &TenantId,
    group: &Group,
) -> Result<FoundSubscription, Error> {
    let found = store.find_subscriptions(&[(tenant.clone(), group.clone())]).await?;
    found.into_iter().next().ok_or_else(|| Error::Unknown(group.clone()))
}

/// Changes a subscription as `decide` says, by an act if it is one; returns it as it stands then.
pub(super) async fn change<T>(
    store: &dyn Store,
    tenant: &TenantId,
    group: &Group,
    by: Option<&TrailEntry>,
    decide: impl Fn(&mut Subscription, Time) -> Result<T, Refusal>,
) -> Result<(T, FoundSubscription), Error> {
    for _ in 0..TRIES_MAX {
        let mut found = find(store, tenant, group).await?;
        let before = found.subscription.clone();
        let done = decide(&mut found.subscription, found.now).map_err(Error::Refused)?;
        let next = (Some(&found.subscription), Vec::new());
        if found.subscription == before || write(store, &found, next, by).await? {
            return Ok((done, found));
        }
    }
    Err(contended())
}

/// Writes a subscription, or removes it, and the changes of its dead letters upon the version that
/// was found; returns whether it still had that.
pub(super) async fn write(
    store: &dyn Store,
    found: &FoundSubscription,
    (next, dead): (Option<&Subscription>, Vec<DeadChange>),
    by: Option<&TrailEntry>,
) -> Result<bool, Error> {
    let FoundSubscription { tenant, group, version, .. } = found.clone();
    let (next, by) = (next.cloned(), by.cloned());
    let change = SubscriptionChange { tenant, group, version, next, dead, by };
    Ok(store.change_subscriptions(&[change]).await? == [true])
}

/// Returns the error of a change that others have always come before.
pub(super) fn contended() -> Error {
    store::Error::Unavailable("others change the subscription all the time".to_owned()).into()
}
