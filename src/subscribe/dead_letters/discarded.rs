//! The dead letters that are still there, beside those that were discarded and those whose events
//! are removed.
//!
//! A discarded one is no dead letter any more, but its row stays until the group's position has
//! passed it: else the next worker would deliver the event, which it would not know.

use super::Ask;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group};
use crate::domain::tenant::TenantId;
use crate::subscribe::{Error, Groups, change};

impl Groups<'_> {
    /// Notes that the event of a dead letter that was to be delivered again is removed from the
    /// log. It stays, but nothing waits for it any more.
    pub async fn settle_removed(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        position: Position,
    ) -> Result<(), Error> {
        let settle = Ask::SettleRemoved(generation, position);
        self.change_letters((tenant, group), &settle, None).await.map(drop)
    }

    /// Forgets the discarded dead letters up to a position, which the group has passed.
    pub async fn forget_discarded(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        up_to: Position,
    ) -> Result<(), Error> {
        let forget = Ask::Forget(generation, up_to);
        self.change_letters((tenant, group), &forget, None).await.map(drop)
    }

    /// Returns the dead letters of a group after a position, in order.
    pub async fn dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        mut after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut shown = Vec::new();
        loop {
            let wanted = limit - shown.len();
            let page = self.dead_letters_and_discarded((tenant, group), after, wanted).await?;
            let is_last = page.len() < wanted;
            after = page.last().map_or(after, |letter| letter.position);
            shown.extend(page.into_iter().filter(|letter| !letter.is_discarded()));
            if is_last || shown.len() >= limit {
                return Ok(shown);
            }
        }
    }

    /// Returns those as well that were discarded, and that the group's position has not passed.
    pub async fn dead_letters_and_discarded(
        &self,
        (tenant, group): (&TenantId, &Group),
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        change::find(self.store, tenant, group).await?;
        Ok(self.store.list_dead_letters(tenant, group, after, limit).await?)
    }
}
