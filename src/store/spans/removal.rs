//! Spans around the calls of the port's `Removal`.

use async_trait::async_trait;
use tracing::{Span, field, instrument};

use super::{Spans, trail};
use crate::domain::floors::Floors;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::{Error, LogEntry, Removal, RemovalStep, Stand, Store, TopicRange, Weight};

#[async_trait]
impl<S: Store> Removal for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        self.0.floors(tenant).await
    }

    #[instrument(level = "debug", skip_all, fields(%follower))]
    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        self.0.know_sink(follower).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        self.0.stands(tenant).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %range.tenant, topic = %range.topic, after = %range.after, max)
    )]
    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        self.0.entries(range, max).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %range.tenant, topic = %range.topic, keys = keys.len(), each_max)
    )]
    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        self.0.newest_of_keys(range, keys, each_max).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %range.tenant, topic = %range.topic, after = %range.after)
    )]
    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        self.0.weigh(range, earlier_than).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(
            tenant = %step.tenant, topic = %step.topic, positions = step.positions.len(),
            removed = field::Empty
        )
    )]
    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error> {
        let removed = self.0.remove(step).await?;
        if let Some(removed) = removed {
            Span::current().record("removed", removed);
        }
        Ok(removed)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %before, max))]
    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        self.0.forget_ids(tenant, before, max).await
    }

    #[instrument(level = "debug", skip_all, fields(%follower))]
    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        let logs = self.0.forget_follower(follower, of, by).await?;
        trail::told(by.filter(|_| logs.is_some()));
        Ok(logs)
    }
}
