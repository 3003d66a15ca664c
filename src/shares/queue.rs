//! Shares that are waited for: whoever finds none left waits for its turn among those of its owner.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::{self, Notify};

use super::{Share, Shares};
use crate::domain::tenant::TenantId;

/// A resource that all tenants share, and of which each waits for its part.
pub struct Queue<T: Hash + Eq = TenantId> {
    shares: Arc<Shares<T>>,
    /// Held by whichever of an owner's is the next one to get a share.
    turns: Mutex<HashMap<T, Arc<sync::Mutex<()>>>>,
    /// Tells those that are next that some was given back.
    freed: Notify,
}

/// A share that was waited for.
pub struct QueuedShare<T: Hash + Eq + Clone = TenantId> {
    queue: Arc<Queue<T>>,
    share: Share<T>,
}

impl<T: Hash + Eq + Clone + Send + Sync> Queue<T> {
    /// Makes a resource of `max` units in all, of which each owner may have `owner_max`.
    pub fn new(max: usize, owner_max: usize) -> Arc<Self> {
        let (turns, freed) = (Mutex::default(), Notify::new());
        Arc::new(Self { shares: Shares::new(max, owner_max), turns, freed })
    }

    /// Takes a share of `size` units, as soon as the owner may have it.
    pub async fn take(self: &Arc<Self>, owner: &T, size: usize) -> QueuedShare<T> {
        if size == 0 {
            return QueuedShare { queue: self.clone(), share: self.shares.none(owner) };
        }
        let take = |shares: &Arc<Shares<T>>| shares.take(owner, size).ok();
        self.take_as(owner, take).await
    }

    /// Takes a share of at most `most` units as soon as there are `least`, as
    /// `Shares::take_some` has it.
    pub async fn take_some(self: &Arc<Self>, owner: &T, sizes: (usize, usize)) -> QueuedShare<T> {
        self.take_as(owner, |shares| shares.take_some(owner, sizes)).await
    }

    async fn take_as(
        self: &Arc<Self>,
        owner: &T,
        take: impl Fn(&Arc<Shares<T>>) -> Option<Share<T>> + Send,
    ) -> QueuedShare<T> {
        let turn = self.turn(owner);
        let _next = turn.lock().await;
        loop {
            // What is given back after this ends the wait below.
            let freed = self.freed.notified();
            if let Some(share) = take(&self.shares) {
                return QueuedShare { queue: self.clone(), share };
            }
            freed.await;
        }
    }

    /// Takes a share if there is any now, whoever waits.
    #[cfg(test)]
    pub fn take_now(self: &Arc<Self>, owner: &T, sizes: (usize, usize)) -> Option<QueuedShare<T>> {
        let share = self.shares.take_some(owner, sizes)?;
        Some(QueuedShare { queue: self.clone(), share })
    }

    /// Returns the units that are taken.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.shares.held()
    }

    /// Returns whether nobody waits, and nothing is left of those that did.
    #[cfg(test)]
    pub fn keeps_no_turn(&self, owner: &T) -> bool {
        self.turn(owner).try_lock().is_ok() && self.turns.lock().is_ok_and(|it| it.len() == 1)
    }

    /// Returns the turn of an owner, of whose each waits for the one before it alone.
    fn turn(&self, owner: &T) -> Arc<sync::Mutex<()>> {
        let mut turns = self.turns.lock().expect("no holder panics");
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(owner.clone()).or_default().clone()
    }
}

impl<T: Hash + Eq + Clone> QueuedShare<T> {
    /// Returns the size of the share.
    pub fn size(&self) -> usize {
        self.share.size()
    }

    /// Gives back what the share has beyond `size` units.
    pub fn shrink_to(&mut self, size: usize) {
        self.share.shrink_to(size);
        self.queue.freed.notify_waiters();
    }
}

impl<T: Hash + Eq + Clone> Drop for QueuedShare<T> {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::Queue;
    use crate::domain::tenant::TenantId;

    #[tokio::test]
    async fn a_tenant_waits_for_its_part_in_order_while_others_get_theirs() {
        let [busy, quiet] = ["busy", "quiet"].map(|tenant| TenantId::parse(tenant).unwrap());
        let queue = Queue::new(8, 2);
        let first = queue.take(&busy, 1).await;
        let _second = queue.take(&busy, 1).await;
        let (mut third, mut fourth) =
            (Box::pin(queue.take(&busy, 1)), Box::pin(queue.take(&busy, 1)));
        assert!(poll!(&mut third).is_pending() && poll!(&mut fourth).is_pending());
        let _of_quiet = queue.take(&quiet, 1).await;
        drop(first);
        assert!(poll!(&mut fourth).is_pending(), "the third one came before");
        let Poll::Ready(_third) = poll!(&mut third) else { panic!("it is the next") };
        assert!(poll!(&mut fourth).is_pending());
        assert_eq!(queue.held(), 3);
    }

    #[tokio::test]
    async fn whoever_goes_while_it_waits_holds_up_nobody() {
        let tenant = TenantId::parse("diku").unwrap();
        let queue = Queue::new(1, 1);
        let first = queue.take(&tenant, 1).await;
        let mut gone = Box::pin(queue.take(&tenant, 1));
        assert!(poll!(&mut gone).is_pending());
        let mut next = Box::pin(queue.take(&tenant, 1));
        assert!(poll!(&mut next).is_pending());
        drop(gone);
        drop(first);
        assert!(poll!(&mut next).is_ready());
    }
}
