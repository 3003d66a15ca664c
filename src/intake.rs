//! In: posting drafts to a tenant's log, the use case of every way in.
//!
//! `http` passes in the names and the items of a request; `group_commit` appends the drafts to the
//! store, many posts in one commit. `target` resolves the names and gives event ids; `post` checks
//! sizes, appends all drafts or none, and builds the receipts from the store's outcome.

mod config;
mod error;
mod group_commit;
mod job;
mod queue;
mod receipt;
mod target;
mod waiting;
mod writer;

use std::sync::Arc;

use tracing::{Instrument, field};

use crate::clock::Clock;
use crate::domain::draft::{Draft, Origin};
use crate::domain::settings::{Settings, Unknown};
use crate::domain::tenant::TenantId;
use crate::metrics::Metrics;
use crate::store::{self, Batch, Store};

pub use config::Config;
pub use error::{Error, PostError};
pub use group_commit::{Appended, GroupCommit, Writers};
pub use receipt::{Posted, Receipt, Repeats};
pub use target::{EntityTarget, ProcessEventTarget};
pub use writer::Wake;

/// The parts that the intake is built on.
#[derive(Clone)]
pub struct IntakeDeps {
    /// The store, which takes the appends, and is asked for events that were posted before.
    pub store: Arc<dyn Store>,
    /// Each tenant's entities and process events, and their topics.
    pub settings: Arc<Settings>,
    /// The source of event ids.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// The way into the logs.
pub struct Intake {
    deps: IntakeDeps,
    group_commit: GroupCommit,
    record_bytes_max: usize,
}

impl Intake {
    /// Starts the writers. `wake` is called with the lane of every tenant that has new events.
    pub fn start(config: &Config, deps: IntakeDeps, wake: &Wake) -> (Self, Writers) {
        let (group_commit, writers) = GroupCommit::start(config, &deps.store, &deps.metrics, wake);
        let record_bytes_max = config.record_bytes_max.min(deps.store.event_bytes_max());
        (Self { deps, group_commit, record_bytes_max }, writers)
    }

    /// The most bytes that a record may have: the lower of Kafka's limit and the store's.
    pub fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Finds an entity by its names. `producer` may be a module's name or id.
    pub fn entity(
        &self,
        origin: &Origin,
        producer: &str,
        entity: &str,
    ) -> Result<EntityTarget<'_>, Unknown> {
        let clock = &*self.deps.clock;
        EntityTarget::find(&self.deps.settings, clock, origin, producer, entity)
    }

    /// Finds a process event by its names. `producer` may be a module's name or id.
    pub fn process_event(
        &self,
        origin: &Origin,
        producer: &str,
        event: &str,
    ) -> Result<ProcessEventTarget<'_>, Unknown> {
        let clock = &*self.deps.clock;
        ProcessEventTarget::find(&self.deps.settings, clock, origin, producer, event)
    }

    /// Appends all drafts or none, and returns once they are durable. Dropping the future does not
    /// undo it.
    pub async fn post(&self, tenant: TenantId, drafts: Vec<Draft>) -> Result<Posted, PostError> {
        let (first, last) = (field::Empty, field::Empty);
        let span = tracing::debug_span!("intake_post", %tenant, drafts = drafts.len(), first, last);
        let posted = self.append(&tenant, drafts).instrument(span.clone()).await;
        match &posted {
            Ok(posted) => {
                let (first, last) = posted.positions();
                span.record("first", first.number()).record("last", last.number());
                let is_repeated = posted.repeats != Repeats::None;
                let events = posted.receipts.len();
                self.deps.metrics.batch_accepted(&tenant, events, is_repeated);
            }
            Err(error) => self.deps.metrics.batch_refused(error.problem()),
        }
        posted
    }

    async fn append(&self, tenant: &TenantId, drafts: Vec<Draft>) -> Result<Posted, PostError> {
        let bytes_max = self.record_bytes_max;
        if let Some(index) = drafts.iter().position(|draft| draft.record_bytes_max() > bytes_max) {
            return Err(PostError::TooLarge { index, bytes_max });
        }
        let batch = Batch { tenant: tenant.clone(), drafts };
        match self.group_commit.submit(batch).await {
            Ok(appended) => Ok(Posted::new(&*self.deps.store, tenant, appended).await),
            Err(Error::Store(unknown @ store::Error::Unknown(_))) => {
                Err(PostError::OutcomeUnknown(unknown))
            }
            Err(error) => Err(PostError::NotAppended(error)),
        }
    }
}
