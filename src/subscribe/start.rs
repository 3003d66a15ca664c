//! Starts of groups: the position that a start stands for, and the gaps that are accepted with it.
//!
//! Subscriptions are made and moved with it. What was removed after a start is told, unless the
//! start says that the group goes on without it.

use super::{Error, floors};
use crate::domain::filter::Filter;
use crate::domain::floors::{AcceptedGaps, Floors};
use crate::domain::position::Position;
use crate::domain::subscription::{Gaps, Start};
use crate::domain::tenant::TenantId;
use crate::store::{Scan, Slice, Store};

/// Returns the position after which a reader with this filter begins, and the gaps after it
/// that are accepted. A gap that the start does not accept is told, not passed over.
pub(super) async fn resolve(
    store: &dyn Store,
    tenant: &TenantId,
    filter: &Filter,
    start: Start,
) -> Result<(Position, AcceptedGaps), Error> {
    let (after, gaps) = match start {
        Start::Earliest => {
            let topics = Filter { topics: filter.topics.clone(), ..Filter::default() };
            let slice =
                first(store, tenant, Position::START, Scan::page_of_enabled(topics, 1)).await?;
            (before(&slice), Gaps::Skip)
        }
        Start::Latest => (head(store, tenant).await?, Gaps::Skip),
        Start::Position(position, gaps) => (position.min(head(store, tenant).await?), gaps),
        Start::Time(time, gaps) => {
            let scan = Scan { from: Some(time), ..Scan::page_of_enabled(Filter::default(), 1) };
            (before(&first(store, tenant, Position::START, scan).await?), gaps)
        }
    };
    let floors = floors(store, tenant).await?;
    if gaps == Gaps::Skip {
        return Ok((after, floors.accept(filter, after)));
    }
    let is_time = matches!(start, Start::Time(..));
    let from = if is_time { since(store, tenant, filter, &floors, after).await? } else { after };
    match floors.gap(filter, from) {
        Some(gap) => Err(Error::Removed { gap, after: from }),
        None => Ok((after, AcceptedGaps::default())),
    }
}

/// Returns the position after which removed events may be as young as the first event that the
/// log has after a position. It is the same position, unless no event is left between it and
/// the last one that was removed: whether that one was older, nobody knows any more.
async fn since(
    store: &dyn Store,
    tenant: &TenantId,
    filter: &Filter,
    floors: &Floors,
    after: Position,
) -> Result<Position, Error> {
    let Some(gap) = floors.gap(filter, Position::START) else { return Ok(after) };
    let left = first(store, tenant, gap.to, Scan::page_of_enabled(Filter::default(), 1)).await?;
    let is_between = left.events.first().is_some_and(|event| event.position <= after);
    Ok(if is_between { after } else { after.min(gap.to.back(1)) })
}

/// Reads the first event of a scan after a position.
async fn first(
    store: &dyn Store,
    tenant: &TenantId,
    after: Position,
    scan: Scan,
) -> Result<Slice, Error> {
    let slices = store.read(&[(tenant.clone(), after.into())], &scan).await?;
    slices.into_iter().next().ok_or(Error::NotEnabled)
}

async fn head(store: &dyn Store, tenant: &TenantId) -> Result<Position, Error> {
    let enabled = store.find_tenant(tenant).await?;
    enabled.filter(|log| log.is_enabled).map(|log| log.head).ok_or(Error::NotEnabled)
}

/// Returns the position before the first event of a slice, or up to which it has none.
fn before(slice: &Slice) -> Position {
    slice.events.first().map_or(slice.scanned, |event| event.position.back(1))
}
