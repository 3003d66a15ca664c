//! A store that went back in time, or a cursors topic that was lost: where a tenant's two histories part,
//! and how its relay goes on from there.
//!
//! Fed by the log, by what is parked, and by what the tenant's topics hold of it; feeds Kafka's cursors
//! topic, then the store. The log goes on under another id, behind the last event before which
//! everything is in Kafka or stays behind: what follows is published, some of it again, and nothing is
//! passed over. Until somebody accepts that, nothing is changed.

mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::walk::Walk;
use super::lot;
use super::page_scan;
use crate::broker::{self, Broker, Fenced, KnownCursors, Page, PageSlice, Published};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{self, Enabled, Scan, Store};

/// Why it is not known where they part, or nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed.
    #[error(transparent)]
    Broker(#[from] broker::Error),
    /// Somebody else was faster.
    #[error("tenant {0} changed meanwhile: look again")]
    Changed(TenantId),
}

/// How far two histories of one log are the same, and what each has behind that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose log.
    pub enabled: Enabled,
    /// Up to where the relay has come, by Kafka; `None` when Kafka does not know.
    pub kafka: Option<Cursor>,
    /// Up to here all events are in Kafka or stay behind; `None` if there are none.
    pub common: Option<Cursor>,
    /// How many events behind that Kafka has: they are published again.
    pub again: u64,
    /// How many events behind that Kafka has not: they are published.
    pub pending: u64,
    /// What is parked by the store, and was released since, by Kafka.
    pub released: BTreeSet<EventId>,
    /// What Kafka has and the log has not, in order of topic, partition and offset.
    pub only_in_kafka: Vec<Published>,
}

/// Compares a tenant's log with what Kafka has of it; `None` if the relay can go on as it is.
pub async fn compare(
    store: &dyn Store,
    kafka: &dyn Broker,
    settings: &Settings,
    enabled: &Enabled,
) -> Result<Option<Difference>, Error> {
    let (tenant, log_id) = (&enabled.tenant, enabled.log_id);
    let noted = store.load(tenant, &Follower::relay()).await?.filter(|cursor| cursor.log_id == log_id);
    let cursors = kafka.cursors(enabled.lane).await?;
    let known = cursors.get(&(log_id, Follower::relay())).copied();
    let whole = match known {
        Some(cursor) => has(store, tenant, &cursor).await?,
        None => noted.is_none(),
    };
    if whole && noted == known {
        return Ok(None);
    }
    // What the store knew to be published before it went back needs no second look.
    let start = match noted {
        Some(cursor) if has(store, tenant, &cursor).await? => Some(cursor),
        _ => None,
    };
    let behind = start.map_or(Position::START, |cursor| cursor.position);
    let mut topics: BTreeSet<Topic> = settings.specs(tenant).into_iter().map(|spec| spec.topic).collect();
    each(store, tenant, behind, |event| {
        topics.insert(event.topic.clone());
    })
    .await?;
    let published = kafka.history(&Vec::from_iter(topics), log_id, behind).await?;
    let mut parked = store.parked(tenant).await?;
    lot::raise(&mut parked, &cursors);
    let mut walk = Walk::new(start, published, parked);
    each(store, tenant, behind, |event| walk.pass(event)).await?;
    let difference = walk.end(enabled.clone(), known);
    // What the relay has passed over is known to the store, though its note is late.
    let passed = |common: Cursor| known.is_some_and(|known| common.position >= known.position);
    let agree = whole && difference.released.is_empty() && difference.common.is_some_and(passed);
    Ok((!agree).then_some(difference))
}

/// Has the relay of that tenant go on behind what the histories have in common: its log is called `new` from
/// now on.
pub async fn accept(
    store: &dyn Store,
    kafka: &dyn Broker,
    settings: &Settings,
    difference: &Difference,
    new: LogId,
) -> Result<(), Error> {
    let Difference { enabled, common, .. } = difference;
    let Enabled { tenant, log_id, lane, .. } = enabled;
    let Fenced { mut producer, cursors } = kafka.fence(*lane).await?;
    // Now that nobody publishes it any more, it must still be as it was shown.
    let now = compare(store, kafka, settings, enabled).await?;
    if !now.is_some_and(|now| now.is_as_shown(difference)) {
        return Err(Error::Changed(tenant.clone()));
    }
    if let Some(common) = common {
        let parked = store.parked(tenant).await?;
        for (follower, cursor) in renewed(&cursors, &parked, difference, *common) {
            let cursor = Cursor { log_id: new, ..cursor };
            let slice = PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor };
            producer = producer.publish(Arc::new(Page { follower, slices: vec![slice] })).await?;
        }
    }
    let at = common.map_or(Position::START, |cursor| cursor.position);
    if !store.renew_log(tenant, *log_id, new, at).await? {
        return Err(Error::Changed(tenant.clone()));
    }
    // A Kafka that isn't the right one shows by lacking what the store knows.
    let noted = common.map(|common| (tenant.clone(), Cursor { log_id: new, ..common }));
    Ok(store.note(&Follower::relay(), noted.as_slice()).await?)
}

impl Difference {
    /// Whether it is the one that was shown; what was appended meanwhile changes nothing.
    fn is_as_shown(&self, shown: &Difference) -> bool {
        let seen = |it: &Difference| (it.enabled.log_id, it.enabled.lane, it.kafka, it.common, it.again);
        seen(self) == seen(shown)
            && self.released == shown.released
            && self.only_in_kafka == shown.only_in_kafka
    }
}

/// The cursors of the renewed log: the relay's, and those of releases, none of them further. A release that is
/// over has come as far as the relay.
fn renewed(
    cursors: &KnownCursors,
    parked: &[Parked],
    difference: &Difference,
    common: Cursor,
) -> Vec<(Follower, Cursor)> {
    let log_id = difference.enabled.log_id;
    let its = parked.iter().filter(|parked| parked.log_id == log_id);
    let released = its.filter_map(|parked| {
        let follower = lot::follower(parked);
        if difference.released.contains(&parked.event_id) {
            return Some((follower, common));
        }
        let cursor = cursors.get(&(log_id, follower.clone()))?;
        Some((follower, if cursor.position < common.position { *cursor } else { common }))
    });
    let mut all = vec![(Follower::relay(), common)];
    all.extend(released);
    all
}

/// Whether the log has the event that a cursor names, where it names it.
async fn has(store: &dyn Store, tenant: &TenantId, cursor: &Cursor) -> Result<bool, Error> {
    let from = [(tenant.clone(), cursor.position.back(1))];
    let slices = store.read(&from, &Scan { bytes_max: usize::MAX, ..page_scan(1) }).await?;
    let event = slices.iter().flat_map(|slice| &slice.events).next();
    Ok(event.is_some_and(|e| (e.position, e.event_id) == (cursor.position, cursor.event_id)))
}

/// Looks at all events of a log behind a position.
async fn each(
    store: &dyn Store,
    tenant: &TenantId,
    mut after: Position,
    mut look: impl FnMut(&Envelope),
) -> Result<(), Error> {
    let scan = page_scan(super::PAGE_EVENTS_MAX);
    loop {
        let slices = store.read(&[(tenant.clone(), after)], &scan).await?;
        let Some(slice) = slices.first() else { return Ok(()) };
        slice.events.iter().for_each(&mut look);
        if !slice.more {
            return Ok(());
        }
        after = slice.scanned;
    }
}
