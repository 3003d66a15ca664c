//! In: the one way into the log, for whoever posts.
//!
//! Fed by `http` with what a request names and says; feeds `store`, many posts to a commit
//! (`group_commit`). Names are resolved before anything is read, ids are given, sizes are checked;
//! then all drafts of a post are in the log, or none of them is. Receipts are built once, of what
//! became of the drafts.

mod config;
mod error;
mod group_commit;
mod queue;
mod receipt;
mod target;
mod writer;

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::draft::{Draft, Origin};
use crate::domain::settings::{Settings, Unknown};
use crate::domain::tenant::TenantId;
use crate::store::{self, Batch, Store};

pub use config::Config;
pub use error::{Error, PostError};
pub use group_commit::{Appended, GroupCommit, Writers};
pub use receipt::{Posted, Receipt, Repeats};
pub use target::{EntityTarget, ProcessEventTarget};
pub use writer::Wake;

/// The rooms that the way in is built on.
#[derive(Clone)]
pub struct IntakeDeps {
    /// Appended to; asked where an event stands that was posted before.
    pub store: Arc<dyn Store>,
    /// Each tenant's entities and process events, and their topics.
    pub settings: Arc<Settings>,
    /// Makes event ids.
    pub clock: Arc<dyn Clock>,
}

/// The way in.
pub struct Intake {
    deps: IntakeDeps,
    group_commit: GroupCommit,
    record_bytes_max: usize,
}

impl Intake {
    /// Starts the writers. `wake` is called with the lane of every tenant that has new events.
    pub fn start(config: &Config, deps: IntakeDeps, wake: &Wake) -> (Self, Writers) {
        let (group_commit, writers) = GroupCommit::start(config, &deps.store, wake);
        let record_bytes_max = config.record_bytes_max.min(deps.store.event_bytes_max());
        (Self { deps, group_commit, record_bytes_max }, writers)
    }

    /// The most bytes that a record may have: Kafka's limit or the store's.
    pub fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Where changes of a tenant's entity go. `producer` may be a module's name or id.
    pub fn entity(
        &self,
        origin: &Origin,
        producer: &str,
        entity: &str,
    ) -> Result<EntityTarget<'_>, Unknown> {
        let clock = &*self.deps.clock;
        EntityTarget::find(&self.deps.settings, clock, origin, producer, entity)
    }

    /// Where a tenant's process events of that name go. `producer` may be a module's name or id.
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
    #[tracing::instrument(level = "debug", skip_all, fields(%tenant, drafts = drafts.len()))]
    pub async fn post(&self, tenant: TenantId, drafts: Vec<Draft>) -> Result<Posted, PostError> {
        let bytes_max = self.record_bytes_max;
        if let Some(index) = drafts.iter().position(|draft| draft.record_bytes_max() > bytes_max) {
            return Err(PostError::TooLarge { index, bytes_max });
        }
        let event_ids: Vec<_> = drafts.iter().map(|draft| draft.event_id).collect();
        let batch = Batch { tenant: tenant.clone(), drafts };
        match self.group_commit.submit(batch).await {
            Ok(appended) => Ok(Posted::new(&*self.deps.store, &tenant, appended).await),
            Err(Error::Store(source @ store::Error::Unknown(_))) => {
                Err(PostError::OutcomeUnknown { event_ids, source })
            }
            Err(error) => Err(PostError::NotAppended(error)),
        }
    }
}
