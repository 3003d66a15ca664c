//! How a replica takes the groups that it coordinates, and lets them go.
//!
//! The store's row of a group says who has it; `listeners` says who may take it. Two replicas that
//! take one at once write upon the same version, so that one of them has it.

use std::sync::Arc;

use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bounds::take_bytes;
use super::{Coordinated, Coordinator, Inner, Name, digest};
use crate::listen::group::{Group, Saved, Summary};
use crate::listen::group_metrics::GroupMetrics;
use crate::listen::places::Places;
use crate::store::{Error, KafkaGroup, KafkaListener};

/// The reason why this replica does not have a group.
#[derive(Debug)]
pub(in crate::listen) enum Absent {
    /// The store failed.
    Store(Error),
    /// Another replica coordinates the group, or may by now.
    Elsewhere,
}

impl From<Error> for Absent {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Coordinator {
    /// Returns the listener of the replica that coordinates a group.
    pub(in crate::listen) async fn locate(
        &self,
        (scope, group): &Name,
    ) -> Result<Option<KafkaListener>, Error> {
        let found = match self.listeners.is_alone() {
            true => None,
            false => self.store.find_kafka_group_holder(scope, group).await?,
        };
        let holder = found.unwrap_or_default();
        self.listeners.look_for(&holder).await?;
        Ok(self.listeners.coordinator(&[scope, group.as_str()], &holder))
    }

    /// Returns a group, which this replica takes if it is to coordinate it and doesn't have it.
    pub(in crate::listen) async fn group(&self, name: &Name) -> Result<Arc<Coordinated>, Absent> {
        self.ensure_counted()?;
        let cell = {
            let mut groups = self.lock();
            // One that nobody waits for is another replica's.
            let is_there = |cell: &Arc<OnceCell<Arc<Coordinated>>>| match cell.get() {
                Some(group) => !group.gone.is_cancelled(),
                None => Arc::strong_count(cell) > 1,
            };
            groups.retain(|_, cell| is_there(cell));
            if !groups.contains_key(name) && !self.bounds.make_room(&mut groups, &name.0) {
                return Err(Error::Unavailable("as many groups as may be".to_owned()).into());
            }
            groups.entry(name.clone()).or_default().clone()
        };
        let taken = cell.get_or_try_init(async || {
            let group = self.take(name).await?;
            if !self.listeners.is_counted() {
                return Err(Absent::Elsewhere);
            }
            let ticking = Coordinated::tick(Arc::downgrade(&group), group.gone.clone());
            tokio::spawn(self.closing.clone().run_until_cancelled_owned(ticking));
            Ok::<_, Absent>(group)
        });
        taken.await.cloned()
    }

    /// Checks that this replica counts everywhere; if not, it lets all groups go.
    pub(super) fn ensure_counted(&self) -> Result<(), Absent> {
        if self.listeners.is_counted() {
            return Ok(());
        }
        self.let_go();
        Err(Absent::Elsewhere)
    }

    /// Lets all groups go: other replicas may have taken them. They are taken again if none has.
    pub(in crate::listen) fn let_go(&self) {
        // One that is being taken stays: whoever takes it looks whether this replica counts.
        self.lock().retain(|_, cell| match cell.get() {
            Some(group) => {
                group.gone.cancel();
                false
            }
            None => true,
        });
    }

    /// Takes a group from whoever had it, unless another replica is to coordinate it.
    async fn take(&self, (scope, group): &Name) -> Result<Arc<Coordinated>, Absent> {
        let instance = self.listeners.instance();
        loop {
            let found = self.store.find_kafka_group(scope, group).await?;
            let mut row = found.unwrap_or_else(|| KafkaGroup {
                scope: scope.clone(),
                group: group.clone(),
                version: 0,
                holder: String::new(),
                summary: Summary::default().as_column(),
                state: Saved::default().as_column(),
            });
            self.listeners.look_for(&row.holder).await?;
            if !self.listeners.coordinates(&[scope, group.as_str()], &row.holder) {
                return Err(Absent::Elsewhere);
            }
            let saved = Saved::from_column(&row.state).unwrap_or_else(|error| {
                tracing::warn!(%group, error, "failed to read a group's members; they join again");
                Saved::default()
            });
            let state = Group::load(saved, Instant::now()).unwrap_or_default();
            let mut share = self.bounds.bytes.none(scope);
            take_bytes(&mut share, state.size(), &row)
                .map_err(|()| Error::Unavailable("as many bytes as may be".to_owned()))?;
            if row.holder != instance {
                instance.clone_into(&mut row.holder);
                if row.version > 0 {
                    if !self.store.write_kafka_group(&row).await? {
                        continue;
                    }
                    row.version += 1;
                }
            }
            let (now, gone) = (Instant::now(), CancellationToken::new());
            let saved = digest(&row.state);
            row.state = String::new();
            let places = Places::taken(&row, gone.clone());
            let metrics = GroupMetrics::new(&state, self.metrics.clone());
            return Ok(Arc::new(Coordinated {
                store: self.store.clone(),
                bounds: self.bounds.clone(),
                inner: tokio::sync::Mutex::new(Inner {
                    group: state,
                    row,
                    saved,
                    places,
                    metrics,
                    share,
                    held: now,
                    idle: now,
                    again: now,
                }),
                changed: Notify::new(),
                gone,
            }));
        }
    }
}
