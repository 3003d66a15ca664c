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
        timed!(self.floors(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(%follower))]
    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        timed!(self.know_sink(follower))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        timed!(self.stands(tenant))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %range.tenant, topic = %range.topic, after = %range.after, max)
    )]
    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        timed!(self.entries(range, max))
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
        timed!(self.newest_of_keys(range, keys, each_max))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %range.tenant, topic = %range.topic, after = %range.after)
    )]
    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        timed!(self.weigh(range, earlier_than))
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
        let removed = timed!(self.remove(step))?;
        if let Some(removed) = removed {
            Span::current().record("removed", removed);
        }
        Ok(removed)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %before, max))]
    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        timed!(self.forget_ids(tenant, before, max))
    }

    #[instrument(level = "debug", skip_all, fields(%follower))]
    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        let logs = timed!(self.forget_follower(follower, of, by))?;
        trail::told(by.filter(|_| logs.is_some()));
        Ok(logs)
    }
}
