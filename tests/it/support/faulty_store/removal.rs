//! The ports `Removal` and `Expansions` of a store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::expansion::Expansion;
use event_gateway::domain::floors::Floors;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::store::{
    Error, ExpansionStep, Expansions, LogEntry, Removal, RemovalStep, Stand, TopicRange, Weight,
};

use super::{Call, FaultyStore};

#[async_trait]
impl Removal for FaultyStore {
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        self.through(Call::Other, self.inner.floors(tenant)).await
    }

    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        self.through(Call::Cursor, self.inner.know_sink(follower)).await
    }

    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        self.through(Call::Cursor, self.inner.stands(tenant)).await
    }

    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        self.through(Call::Other, self.inner.entries(range, max)).await
    }

    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        self.through(Call::Other, self.inner.newest_of_keys(range, keys, each_max)).await
    }

    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        self.through(Call::Other, self.inner.weigh(range, earlier_than)).await
    }

    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error> {
        self.removals.lock().unwrap().push(step.clone());
        self.through(Call::Other, self.inner.remove(step)).await
    }

    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.forget_ids(tenant, before, max)).await
    }

    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        self.through(Call::Other, self.inner.forget_follower(follower, of, by)).await
    }
}

#[async_trait]
impl Expansions for FaultyStore {
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error> {
        self.through(Call::Other, self.inner.expansions(tenant)).await
    }

    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error> {
        self.through(Call::Append, self.inner.expand(step)).await
    }
}

impl FaultyStore {
    /// Asserts that something was removed, and that each removal said where each of these sinks
    /// stood and took only events before that.
    pub fn assert_removals_are_behind(&self, sinks: &[Follower]) {
        let removals = self.removals.lock().unwrap();
        assert!(!removals.is_empty());
        for step in &*removals {
            let mut stand: Vec<_> = step.stands.iter().map(|(sink, _)| sink.clone()).collect();
            stand.sort_unstable();
            assert_eq!(stand, sinks);
            let mut before = step.stands.iter().map(|(_, position)| *position);
            assert!(before.all(|before| step.positions.iter().all(|it| *it < before)), "{step:?}");
        }
    }
}
