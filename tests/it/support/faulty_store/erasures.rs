//! The port `Erasures` of a store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::erasure::{Erasure, ErasureId};
use event_gateway::domain::known_topic::KnownTopic;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::store::{ErasureStep, Erasures, Error, NotedTopic};

use super::{Call, FaultyStore};

#[async_trait]
impl Erasures for FaultyStore {
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error> {
        self.through(Call::Other, self.inner.note_topics(tenant, topics)).await
    }

    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error> {
        self.through(Call::Other, self.inner.topics_of(tenant, subject)).await
    }

    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        self.through(Call::Other, self.inner.all_topics_of(tenant)).await
    }

    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error> {
        self.through(Call::Other, self.inner.noted_topics(after, max)).await
    }

    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error> {
        self.through(Call::Other, self.inner.known_topics(tenant, topics)).await
    }

    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.add_erasure(erasure, by)).await
    }

    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error> {
        self.through(Call::Other, self.inner.erasures(tenant)).await
    }

    async fn find_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Error> {
        self.through(Call::Other, self.inner.find_erasure(tenant, id)).await
    }

    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error> {
        self.through(Call::Other, self.inner.open_erasures()).await
    }

    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error> {
        self.through(Call::Append, self.inner.erase(step)).await
    }

    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
        at: Time,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.complete_erasure(tenant, id, at)).await
    }

    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.drop_erasures(before, max)).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.scrub()).await
    }
}
