//! A store that went back in time, or a cursors topic that was lost: where a tenant's two histories
//! part, and how its relay goes on from there.
//!
//! Fed by the log, by what is parked, and by what the tenant's topics hold of it; feeds Kafka's
//! cursors topic, then the store. The log goes on under another id, behind the last event before
//! which everything is in Kafka or stays behind: what follows is published, some of it again, and
//! nothing is passed over. Until somebody accepts that, nothing is changed.

mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::walk::{Walk, Walked};
use super::lease::{LEASE, keep_renewing};
use super::page_scan;
use super::parking::cursors as parked_cursors;
use super::parking::verify::ParkingLost;
use super::verify::CursorLost;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::ledger::Ledger;
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::sink::{
    self, KnownCursor, KnownCursors, Page, PageSlice, ParkingProof, PublishedRecord, Repair,
    TakenOver,
};
use crate::store::{self, EnabledTenant, Lease, LeaseCheck, Scan, Store};

/// Why it is not known where they part, or nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// Somebody else was faster.
    #[error("tenant {0} changed meanwhile: look again")]
    Changed(TenantId),
}

/// How far two histories of one log are the same, and what each has behind that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The tenant and its log.
    pub enabled: EnabledTenant,
    /// Up to where the relay has come, by Kafka; `None` when Kafka does not know.
    pub kafka: Option<Cursor>,
    /// How the store's parking is older than what Kafka proves of it; `None` when it is not.
    pub parking: Option<ParkingLost>,
    /// Up to here all events are in Kafka or stay behind; `None` if there are none.
    pub common: Option<Cursor>,
    /// How many events behind that Kafka has: they are published again.
    pub again: u64,
    /// How many events behind that Kafka has not: they are published.
    pub pending: u64,
    /// Scopes that the store has as parked, and Kafka as ended.
    pub ended: BTreeSet<EventId>,
    /// The events that Kafka has and the log has not, in order of topic, partition and offset.
    pub only_in_kafka: Vec<PublishedRecord>,
}

/// Compares a tenant's log with what Kafka has of it; `None` if the relay can go on as it is.
pub async fn compare(
    store: &dyn Store,
    kafka: &dyn Repair,
    settings: &Settings,
    enabled: &EnabledTenant,
) -> Result<Option<Difference>, Error> {
    let tenant = &enabled.tenant;
    let evidence = Evidence::gather(store, kafka, enabled).await?;
    if evidence.agrees() {
        return Ok(None);
    }
    let start = evidence.start(store, tenant).await?;
    let after = start.map_or(Position::START, |cursor| cursor.position);
    let mut topics: BTreeSet<Topic> =
        settings.specs(tenant).into_iter().map(|spec| spec.topic).collect();
    each(store, tenant, after, |event| {
        topics.insert(event.topic.clone());
    })
    .await?;
    let published = kafka.topic_scan(&Vec::from_iter(topics), enabled.log_id, after).await?;
    let Evidence { checkpoint, known, is_whole, parking, mut parked, cursors, .. } = evidence;
    let open: BTreeSet<_> = parked.iter().filter(|p| p.is_open()).map(|p| p.event_id).collect();
    parked_cursors::raise(&mut parked, &cursors);
    let over = parked.iter().filter(|p| !p.is_open()).map(|p| p.event_id);
    let ended: BTreeSet<_> = over.filter(|id| open.contains(id)).collect();
    let mut walk = Walk::new(start, published, parked);
    each(store, tenant, after, |event| walk.pass(event)).await?;
    let known = known.map(|known| known.cursor);
    let difference = walk.end(Walked { enabled: enabled.clone(), kafka: known, parking, ended });
    // What the relay has passed over is known to the store, though its checkpoint is late.
    let passed = |common: Cursor| known.is_some_and(|known| common.position >= known.position);
    let of_kafka = known_of(&cursors, enabled);
    let agree = is_whole
        && difference.parking.is_none()
        && CursorLost::check(kafka.names(), tenant, of_kafka, checkpoint.as_ref()).is_ok()
        && difference.common.is_some_and(passed);
    Ok((!agree).then_some(difference))
}

fn known_of<'c>(cursors: &'c KnownCursors, enabled: &EnabledTenant) -> Option<&'c KnownCursor> {
    cursors.get(&(enabled.log_id, Follower::relay()))
}

/// The state of one log by the store and by Kafka.
struct Evidence {
    /// Where the store knew the relay to stand.
    checkpoint: Option<Cursor>,
    /// Where Kafka knows it to stand.
    known: Option<KnownCursor>,
    /// Whether the log has the event at Kafka's cursor, or neither Kafka nor the store knows of a
    /// cursor.
    is_whole: bool,
    parking: Option<ParkingLost>,
    /// Kafka's newest ledger.
    proved: Ledger,
    /// The rows of what the log has parked, by the store.
    parked: Vec<Parked>,
    cursors: KnownCursors,
}

impl Evidence {
    async fn gather(
        store: &dyn Store,
        kafka: &dyn Repair,
        enabled: &EnabledTenant,
    ) -> Result<Self, Error> {
        let EnabledTenant { tenant, log_id, lane, .. } = enabled;
        let is_its =
            |cursor: &Cursor| cursor.log_id == *log_id && cursor.position > Position::START;
        let checkpoint = store.load(tenant, &Follower::relay()).await?.filter(is_its);
        let cursors = kafka.cursors(*lane).await?;
        let known = known_of(&cursors, enabled).copied();
        let is_whole = match known {
            Some(known) => has(store, tenant, &known.cursor).await?,
            None => checkpoint.is_none(),
        };
        let mut parked = store.parked(tenant, &Follower::relay()).await?;
        parked.retain(|parked| parked.log_id == *log_id);
        let proved = sink::ledgers(&cursors).get(log_id).copied().unwrap_or_default();
        let parking = ParkingLost::check(&Ledger::of(&parked), &proved).err();
        Ok(Self { checkpoint, known, is_whole, parking, proved, parked, cursors })
    }

    /// Whether the relay goes on as it is, and nothing else needs a look.
    fn agrees(&self) -> bool {
        self.is_whole
            && self.parking.is_none()
            && self.checkpoint == self.known.map(|known| known.cursor)
    }

    /// Where to begin to compare. What the store knew to be published before it went back needs no
    /// second look, unless Kafka's cursor, or parking that the store has lost, lies before that.
    async fn start(&self, store: &dyn Store, tenant: &TenantId) -> Result<Option<Cursor>, Error> {
        let Some(checkpoint) = self.checkpoint else { return Ok(None) };
        let known = self
            .known
            .map(|known| known.cursor)
            .filter(|known| known.position < checkpoint.position);
        let first = known.unwrap_or(checkpoint);
        let start = has(store, tenant, &first).await?.then_some(first);
        match self.proved.oldest.filter(|_| self.parking.is_some()) {
            Some(oldest) if start.is_some_and(|start| start.position >= oldest) => {
                cursor_at(store, tenant, oldest.back(1)).await
            }
            _ => Ok(start),
        }
    }
}

/// Has the relay of that tenant go on behind what the histories have in common: its log is called
/// `new` from now on. The tenant's lane is taken from whoever works on it, in the name of `by`,
/// until that is done.
pub async fn accept(
    deps: &RestoreDeps<'_>,
    difference: &Difference,
    new: LogId,
    by: &str,
) -> Result<(), Error> {
    let lease = deps.store.seize(difference.enabled.lane, by, LEASE).await?;
    let leases = [lease];
    let done = tokio::select! {
        done = go_on(deps, &lease, difference, new) => done,
        _ = keep_renewing(deps.store, &leases) => {
            Err(Error::Changed(difference.enabled.tenant.clone()))
        }
    };
    if let Err(error) = deps.store.release(&lease).await {
        tracing::warn!(lane = %lease.lane, %error, "failed to release the lease; it will run out");
    }
    done
}

/// All that comparing and restoring a log depends on.
pub struct RestoreDeps<'a> {
    /// The logs.
    pub store: &'a dyn Store,
    /// The Kafka that they were published to.
    pub kafka: &'a dyn Repair,
    /// Which topics each tenant has.
    pub settings: &'a Settings,
}

async fn go_on(
    deps: &RestoreDeps<'_>,
    lease: &Lease,
    difference: &Difference,
    new: LogId,
) -> Result<(), Error> {
    let RestoreDeps { store, kafka, settings } = *deps;
    let Difference { enabled, common, .. } = difference;
    let EnabledTenant { tenant, log_id, lane, .. } = enabled;
    let changed = || Error::Changed(tenant.clone());
    let TakenOver { mut publisher, cursors } = kafka.take_over(*lane, lease.term).await?;
    // Now that nobody publishes it any more, it must still be as it was shown.
    let now = compare(store, kafka, settings, enabled).await?;
    if !now.is_some_and(|now| now.is_as_shown(difference)) {
        return Err(changed());
    }
    let at = common.map_or(Position::START, |cursor| cursor.position);
    if let Some(common) = common {
        let mut parked = store.parked(tenant, &Follower::relay()).await?;
        // What goes along to the new log.
        parked.retain(|parked| parked.log_id == *log_id && parked.position <= at);
        for (follower, KnownCursor { cursor, proof }) in
            renewed(&cursors, &parked, difference, *common)
        {
            let cursor = Cursor { log_id: new, ..cursor };
            let slice = PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor, proof };
            publisher = publisher.publish(Arc::new(Page { follower, slices: vec![slice] })).await?;
        }
    }
    if !store.rotate_log_id(tenant, *log_id, new, at).await? {
        return Err(changed());
    }
    // A Kafka that isn't the right one shows by lacking what the store knows.
    let checkpoint = common.map(|common| (tenant.clone(), Cursor { log_id: new, ..common }));
    if store.checkpoint(lease, &Follower::relay(), checkpoint.as_slice()).await? == LeaseCheck::Lost
    {
        return Err(changed());
    }
    // Nobody goes on from the former log, and who finds cursors of it would take them for another
    // store's.
    let former: Vec<_> = cursors.into_keys().filter(|(its, _)| its == log_id).collect();
    if let Err(error) = publisher.forget(&former).await {
        tracing::warn!(%tenant, %error, "failed to remove the cursors of the former log; `/readyz` \
                                         names them");
    }
    Ok(())
}

impl Difference {
    /// Whether it is the one that was shown; what was appended meanwhile changes nothing.
    fn is_as_shown(&self, shown: &Difference) -> bool {
        let seen = |it: &Difference| {
            (it.enabled.log_id, it.enabled.lane, it.kafka, it.parking, it.common, it.again)
        };
        seen(self) == seen(shown)
            && self.ended == shown.ended
            && self.only_in_kafka == shown.only_in_kafka
    }
}

/// The cursors of the renewed log: the relay's, and those of the scopes that the store has as
/// parked, none of them further. A scope that has ended by Kafka has done so at the relay's cursor
/// at the latest.
fn renewed(
    cursors: &KnownCursors,
    parked: &[Parked],
    difference: &Difference,
    common: Cursor,
) -> Vec<(Follower, KnownCursor)> {
    let log_id = difference.enabled.log_id;
    let ledger = Ledger::of(parked);
    let open = parked.iter().filter(|parked| parked.is_open());
    let open = open.filter_map(|parked| {
        let follower = parked_cursors::follower(parked);
        let known = cursors.get(&(log_id, follower.clone()))?;
        let ended = known.proof.ended.map(|ended| ended.no_later(common.position));
        let is_before = ended.is_none() && known.cursor.position < common.position;
        let cursor = if is_before { known.cursor } else { common };
        Some((follower, KnownCursor { cursor, proof: ParkingProof { ledger, ended } }))
    });
    let proof = ParkingProof { ledger, ended: None };
    let mut all = vec![(Follower::relay(), KnownCursor { cursor: common, proof })];
    all.extend(open);
    all
}

/// Whether the log has the event that a cursor names, where it names it.
async fn has(store: &dyn Store, tenant: &TenantId, cursor: &Cursor) -> Result<bool, Error> {
    let slices = store.read(&[(tenant.clone(), (*cursor).into())], &page_scan(1)).await?;
    Ok(slices.first().is_some_and(|slice| slice.has_start))
}

/// The cursor of whoever has come up to that position.
async fn cursor_at(
    store: &dyn Store,
    tenant: &TenantId,
    position: Position,
) -> Result<Option<Cursor>, Error> {
    let from = [(tenant.clone(), position.back(1).into())];
    let slices = store.read(&from, &Scan { bytes_max: usize::MAX, ..page_scan(1) }).await?;
    let event =
        slices.iter().flat_map(|slice| &slice.events).next().filter(|e| e.position == position);
    Ok(event.map(|e| Cursor { log_id: e.log_id, position, event_id: e.event_id }))
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
        let slices = store.read(&[(tenant.clone(), after.into())], &scan).await?;
        let Some(slice) = slices.first() else { return Ok(()) };
        slice.events.iter().for_each(&mut look);
        if !slice.more {
            return Ok(());
        }
        after = slice.scanned;
    }
}
