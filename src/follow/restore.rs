//! A store that went back in time, or a cursors topic that was lost: where a tenant's two histories part,
//! and how its relay goes on from there.
//!
//! Fed by the log, by what is parked, and by what the tenant's topics hold of it; feeds Kafka's cursors
//! topic, then the store. The log goes on under another id, behind the last event before which
//! everything is in Kafka or stays behind: what follows is published, some of it again, and nothing is
//! passed over. Until somebody accepts that, nothing is changed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::lot;
use super::page_scan;
use crate::broker::{self, Broker, Fenced, KnownCursors, Page, PageSlice, Published};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
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
    let known = kafka.cursors(enabled.lane).await?.get(&(log_id, Follower::relay())).copied();
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
    let mut walk = Walk::new(start, published, store.parked(tenant).await?);
    each(store, tenant, behind, |event| walk.pass(event)).await?;
    let difference = walk.end(enabled.clone(), known);
    // What the relay has passed over is known to the store, though its note is late.
    let passed = |common: Cursor| known.is_some_and(|known| common.position >= known.position);
    Ok((!whole || !difference.common.is_some_and(passed)).then_some(difference))
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
        for (follower, cursor) in renewed(&cursors, &store.parked(tenant).await?, *log_id, *common) {
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
        seen(self) == seen(shown) && self.only_in_kafka == shown.only_in_kafka
    }
}

/// The cursors of the renewed log: the relay's, and those of what is being released, none of them further.
fn renewed(
    cursors: &KnownCursors,
    parked: &[Parked],
    log_id: LogId,
    common: Cursor,
) -> Vec<(Follower, Cursor)> {
    let releases = parked.iter().filter(|parked| parked.log_id == log_id).map(lot::follower);
    let released = releases.filter_map(|follower| {
        let cursor = cursors.get(&(log_id, follower.clone()))?;
        Some((follower, if cursor.position < common.position { *cursor } else { common }))
    });
    let mut all = vec![(Follower::relay(), common)];
    all.extend(released);
    all
}

/// Along a log, beside what Kafka has of it.
struct Walk {
    published: HashSet<(Position, EventId)>,
    records: Vec<Published>,
    parked: Vec<Parked>,
    common: Option<Cursor>,
    parted: bool,
    again: u64,
    pending: u64,
    met: HashSet<(Position, EventId)>,
}

impl Walk {
    fn new(start: Option<Cursor>, records: Vec<Published>, parked: Vec<Parked>) -> Self {
        let published = records.iter().map(|record| (record.position, record.event_id)).collect();
        let (common, met) = (start, HashSet::new());
        Self { published, records, parked, common, parted: false, again: 0, pending: 0, met }
    }

    fn pass(&mut self, event: &Envelope) {
        let Envelope { log_id, topic, key, position, event_id, .. } = event;
        let is_published = self.published.contains(&(*position, *event_id));
        if is_published {
            self.met.insert((*position, *event_id));
        }
        let stays = || self.parked.iter().any(|parked| parked.holds(*log_id, topic, key, *position));
        self.parted = self.parted || !(is_published || stays());
        if is_published && event.event_type == EventType::DeleteAll {
            // It has made void what a key had before it.
            self.parked.retain(|parked| !parked.is_open() || parked.topic != *topic);
        }
        if !self.parted {
            self.common = Some(Cursor { log_id: *log_id, position: *position, event_id: *event_id });
        } else if is_published {
            self.again += 1;
        } else {
            self.pending += 1;
        }
    }

    fn end(self, enabled: Enabled, kafka: Option<Cursor>) -> Difference {
        let Self { records, common, again, pending, met, .. } = self;
        let only = |record: &Published| !met.contains(&(record.position, record.event_id));
        let mut only_in_kafka: Vec<_> = records.into_iter().filter(only).collect();
        only_in_kafka.sort_by(|one, other| {
            (&one.topic, one.partition, one.offset).cmp(&(&other.topic, other.partition, other.offset))
        });
        Difference { enabled, kafka, common, again, pending, only_in_kafka }
    }
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
