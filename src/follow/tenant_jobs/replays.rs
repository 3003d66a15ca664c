//! The replays of a tenant that is disabled: they are cancelled.

use crate::clock::Clock;
use crate::domain::replay::Wish;
use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, TrailEntry};
use crate::store::{Error, Store};

/// Cancels the replays of a tenant that is disabled.
pub(super) async fn cancel(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: &TenantId,
    by: &TrailEntry,
) -> Result<(), Error> {
    for replay in store.replays(tenant).await? {
        if replay.is_open() && replay.wish.0 != Wish::Cancel {
            let wish = (Wish::Cancel, clock.now());
            let entry = by.as_act(Act::CancelReplay).on(replay.id);
            let entry = entry.because(Some("the tenant is disabled"));
            store.wish_replay(tenant, replay.id, wish, None, Some(&entry)).await?;
        }
    }
    Ok(())
}
