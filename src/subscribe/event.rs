//! One event of a log by its position: a dead letter has the position alone.

use super::{Error, Groups};
use crate::domain::envelope::Envelope;
use crate::domain::filter::Filter;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::Scan;

impl Groups<'_> {
    /// Returns the event at a position; `None` if the log has removed it.
    pub async fn event(
        &self,
        tenant: &TenantId,
        position: Position,
    ) -> Result<Option<Envelope>, Error> {
        let scan = Scan { rows_max: 1, ..Scan::page(Filter::default(), 1) };
        let before = position.back(1);
        let slices = self.store.read(&[(tenant.clone(), before.into())], &scan).await?;
        let found = slices.into_iter().flat_map(|slice| slice.events).next();
        Ok(found.filter(|event| event.position == position))
    }
}
