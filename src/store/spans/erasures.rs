//! Spans around the calls of the port's `Erasures`.
//!
//! Part of the wrapper around every adapter. No field has a record's content.

use async_trait::async_trait;
use tracing::{Span, field, instrument};

use super::{Spans, trail};
use crate::domain::erasure::{Erasure, ErasureId};
use crate::domain::known_topic::KnownTopic;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::{ErasureStep, Erasures, Error, NotedTopic, Store};

#[async_trait]
impl<S: Store> Erasures for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant, topics = topics.len()))]
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error> {
        timed!(self.note_topics(tenant, topics))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error> {
        timed!(self.topics_of(tenant, subject))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        timed!(self.all_topics_of(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(max = max))]
    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error> {
        timed!(self.noted_topics(after, max))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, topics = topics.len()))]
    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error> {
        timed!(self.known_topics(tenant, topics))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %erasure.tenant, id = %erasure.id)
    )]
    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let done = timed!(self.add_erasure(erasure, by))?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error> {
        timed!(self.erasures(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn find_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Error> {
        timed!(self.find_erasure(tenant, id))
    }

    #[instrument(level = "debug", skip_all)]
    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error> {
        timed!(self.open_erasures())
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(
            tenant = %step.erasure.tenant, id = %step.erasure.id, emptied = field::Empty
        )
    )]
    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error> {
        let emptied = timed!(self.erase(step))?;
        Span::current().record("emptied", emptied);
        Ok(emptied)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
        at: Time,
    ) -> Result<bool, Error> {
        timed!(self.complete_erasure(tenant, id, at))
    }

    #[instrument(level = "debug", skip_all)]
    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error> {
        timed!(self.drop_erasures(before, max))
    }

    #[instrument(level = "debug", skip_all)]
    async fn scrub(&self) -> Result<bool, Error> {
        timed!(self.scrub())
    }
}
