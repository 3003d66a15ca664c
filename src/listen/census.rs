//! The members and generations of a group, counted as long as this replica has the group.

use std::sync::Arc;

use super::group::Group;
use crate::domain::subscription;
use crate::metrics::Metrics;

/// A group as it was counted last.
pub(super) struct Census {
    metrics: Arc<Metrics>,
    members: usize,
    generation: i32,
}

impl Census {
    /// Begins to count a group as it was found.
    pub(super) fn of<R>(group: &Group<R>, metrics: Arc<Metrics>) -> Self {
        let mut census = Self { metrics, members: 0, generation: group.generation() };
        census.count(group.members().count());
        census
    }

    /// Counts what the group has come to, and tells it in the log.
    pub(super) fn note<R>(&mut self, name: &subscription::Group, group: &Group<R>) {
        let (members, generation) = (group.members().count(), group.generation());
        if generation > self.generation {
            tracing::info!(
                group = %name, generation, members,
                "a group of Kafka clients has come to another generation"
            );
            let rise = generation.abs_diff(self.generation);
            self.metrics.generations_began(rise.into());
        }
        self.generation = generation;
        self.count(members);
    }

    fn count(&mut self, members: usize) {
        self.metrics.members_changed(members as i64 - self.members as i64);
        self.members = members;
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.count(0);
    }
}
