//! The members and rebalances of a group, counted as long as this replica has the group.

use std::sync::Arc;

use super::group::Group;
use crate::domain::subscription;
use crate::metrics::Metrics;

/// A group as it was counted last.
pub(super) struct GroupMetrics {
    metrics: Arc<Metrics>,
    members: usize,
    generation: i32,
}

impl GroupMetrics {
    /// Begins to count a group as it was found.
    pub(super) fn new<R>(group: &Group<R>, metrics: Arc<Metrics>) -> Self {
        let mut counted = Self { metrics, members: 0, generation: group.generation() };
        counted.count(group.members().count());
        counted
    }

    /// Counts what the group has come to, if that is saved, and tells a rebalance in the log. A
    /// group that another replica has taken is that one's to count.
    pub(super) fn update<R>(
        &mut self,
        name: &subscription::Group,
        group: &Group<R>,
        is_saved: bool,
        is_gone: bool,
    ) {
        if is_gone {
            return self.count(0);
        }
        if !is_saved {
            return;
        }
        let (members, generation) = (group.members().count(), group.generation());
        if generation > self.generation {
            tracing::info!(
                group = %name, generation, members,
                "a group of Kafka's clients was rebalanced"
            );
            self.metrics.rebalanced(generation.abs_diff(self.generation).into());
        }
        self.generation = generation;
        self.count(members);
    }

    fn count(&mut self, members: usize) {
        self.metrics.members_changed(members as i64 - self.members as i64);
        self.members = members;
    }
}

impl Drop for GroupMetrics {
    fn drop(&mut self) {
        self.count(0);
    }
}
