//! The group that a worker has: whose events it brings, and by which generation it writes.

use std::sync::Arc;

use super::bounds::Bounds;
use super::letters::Letters;
use crate::domain::claim::Deduplicate;
use crate::domain::position::Position;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::subscribe::{Error, Subscribe};

/// The most dead letters that are read at once; for as many, a look may take a second.
pub(super) const LETTERS_MAX: usize = 1_000;

/// The group that a worker has.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) subscribe: Arc<Subscribe>,
    pub(super) tenant: TenantId,
    pub(super) group: Group,
    pub(super) generation: u64,
    pub(super) deduplicate: Option<Deduplicate>,
    pub(super) bounds: Bounds,
}

impl Held {
    /// Returns the number of the last change of the group's row.
    pub(super) async fn version(&self) -> Result<u64, Error> {
        Ok(self.subscribe.groups().find(&self.tenant, &self.group).await?.version)
    }

    /// Reads all dead letters of the group.
    pub(super) async fn letters(&self) -> Result<Letters, Error> {
        let (mut rows, mut after) = (Vec::new(), Position::START);
        loop {
            let groups = self.subscribe.groups();
            let name = (&self.tenant, &self.group);
            let more = groups.dead_letters_and_discarded(name, after, LETTERS_MAX).await?;
            let is_last = more.len() < LETTERS_MAX;
            rows.extend(more);
            match rows.last() {
                Some(last) if !is_last => after = last.position,
                _ => return Ok(Letters::of(rows)),
            }
        }
    }
}
