//! The bounds of groups: how many of a scope a replica has at once, how many the store has, and how
//! many bytes the members of all groups hold together.
//!
//! The coordinator keeps them. What goes beyond one is refused, and the log names it. A group
//! without members makes room for another one: all that it has come to is in the store.

use std::sync::Arc;

use super::{Coordinated, Groups, Inner, Name};
use crate::listen::group::Refusal;
use crate::shares::{Share, Shares};
use crate::store::KafkaGroup;

/// The most groups of a scope that a replica has at once.
const GROUPS_MAX: usize = 1_000;
/// The most groups of a scope that the store has.
const STORED_MAX: u64 = 10_000;
/// The most bytes that the members of all groups of a replica hold together.
const BYTES_MAX: usize = 64 << 20;

/// The bounds of the groups of a replica.
#[derive(Clone)]
pub(super) struct Bounds {
    pub(super) groups_max: usize,
    pub(super) stored_max: u64,
    /// The bytes that the members of all groups hold, which the scopes share.
    pub(super) bytes: Arc<Shares<String>>,
}

impl Default for Bounds {
    fn default() -> Self {
        let bytes = Shares::new(BYTES_MAX, BYTES_MAX);
        Self { groups_max: GROUPS_MAX, stored_max: STORED_MAX, bytes }
    }
}

impl Bounds {
    /// Makes room for another group of a scope. If there are as many as may be, one that has no
    /// members goes: first those that the store has nothing of, and that of the longest time.
    /// Returns whether there is room.
    pub(super) fn make_room(&self, groups: &mut Groups, scope: &str) -> bool {
        let its: Vec<_> = groups.iter().filter(|((its, _), _)| its == scope).collect();
        if its.len() < self.groups_max {
            return true;
        }
        let free = its.into_iter().filter_map(|(name, cell)| {
            let group = cell.get()?;
            // Whoever holds its lock needs it now.
            let inner = group.inner.try_lock().ok()?;
            inner.group.is_empty().then(|| (inner.row.version > 0, inner.idle, name.clone()))
        });
        if let Some((.., name)) = free.min() {
            forget(groups, &name);
            return true;
        }
        tracing::warn!(
            scope,
            groups_max = self.groups_max,
            "refused a Kafka client's group: this replica has as many of its scope as may be, each \
             with members"
        );
        false
    }
}

/// Forgets a group, which whoever asks for it takes again.
fn forget(groups: &mut Groups, name: &Name) {
    if let Some(group) = groups.remove(name).as_ref().and_then(|cell| cell.get()) {
        group.gone.cancel();
    }
}

impl Coordinated {
    /// Checks that the store has a row of the group, or may have another one.
    pub(super) async fn check_stored(&self, row: &KafkaGroup) -> Result<(), Refusal> {
        if row.version > 0 {
            return Ok(());
        }
        let (stored_max, scope, group) = (self.bounds.stored_max, &*row.scope, &row.group);
        match self.store.count_kafka_groups(scope).await {
            Ok(count) if count < stored_max => Ok(()),
            Ok(_) => {
                tracing::warn!(
                    scope, %group, stored_max,
                    "refused a new group of Kafka's clients: the store has as many of its scope as \
                     may be; delete some, such as by kafka-consumer-groups --delete"
                );
                Err(Refusal::TooMany)
            }
            Err(error) => {
                tracing::warn!(scope, %group, %error, "failed to count the groups of a scope");
                Err(Refusal::Unavailable)
            }
        }
    }
}

impl Inner {
    /// Takes the bytes for a group of this size, which `settle` gives back if it is smaller.
    pub(super) fn make_space(&mut self, size: usize) -> Result<(), Refusal> {
        take_bytes(&mut self.share, size, &self.row).map_err(|()| Refusal::Full)
    }

    /// Gives back the bytes that the group does not hold.
    pub(super) fn settle(&mut self) {
        self.share.shrink_to(self.group.size());
    }
}

/// Takes the bytes for a group of this size.
pub(super) fn take_bytes(
    share: &mut Share<String>,
    size: usize,
    row: &KafkaGroup,
) -> Result<(), ()> {
    share.grow(size.saturating_sub(share.size())).map_err(|full| {
        let KafkaGroup { scope, group, .. } = row;
        tracing::warn!(
            scope, %group, size, bytes_max = BYTES_MAX, ?full,
            "refused what a Kafka client's group says: all groups of this replica, or those of its \
             scope, hold as many bytes as may be"
        );
    })
}
