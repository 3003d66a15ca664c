//! Repairs a tenant after its store went back in time, or the cursors topic was lost: finds where
//! the two histories diverge, and lets the relay go on from there.
//!
//! It compares the log and its parked scopes with the tenant's topics, then writes Kafka's cursors
//! topic and the store. The log goes on under another id, after the last event up to which every
//! event is in Kafka or parked: later events are published, some of them again, and none is
//! skipped. Until an operator accepts that, nothing is changed.

mod erasures;
pub mod other_sinks;
mod published;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::published::PublishedRecord;
use self::published::published;
use self::walk::{Walk, Walked};
use super::audit::Progress;
use super::lease::{LEASE, keep_renewing};
use super::page_scan;
use super::parking::cursors as parked_cursors;
use super::parking::verify::{self as parking_verify, Compared, ParkingLost};
use super::verify::CursorLost;
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::replay::ReplayId;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::sink::{
    self, KnownCursor, KnownCursors, Page, PageSlice, ParkingProof, Repair, Sink, TakenOver,
};
use crate::store::{self, Lease, LeaseCheck, Scan, Store, TenantLog};

/// The reason why the comparison failed, or nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// The tenant's log changed since the comparison.
    #[error("tenant {0} changed meanwhile: run the command again")]
    Changed(TenantId),
}

/// Whoever is told how far a comparison is.
pub type Report<'a> = dyn Fn(Progress<'_>) + Send + Sync + 'a;

/// The difference between two histories of one log: how far they are the same, and what each has
/// after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The tenant and its log.
    pub enabled: TenantLog,
    /// The relay's cursor in Kafka; `None` if Kafka has none.
    pub kafka: Option<Cursor>,
    /// The way in which the store's parking is older than what Kafka proves; `None` if it is not.
    pub parking: Option<ParkingLost>,
    /// The last event up to which every event is in Kafka or parked; `None` if there is none.
    pub common: Option<Cursor>,
    /// The number of events after that which Kafka has: they are published again.
    pub again: u64,
    /// The number of events after that which Kafka lacks: they are published.
    pub pending: u64,
    /// Scopes that are parked in the store, and have ended by Kafka's cursors.
    pub ended: BTreeSet<EventId>,
    /// The events that Kafka has and the log never had, in order of topic, partition and offset.
    pub only_in_kafka: Vec<PublishedRecord>,
}

/// Compares a tenant's log with what Kafka has of it; `None` if the relay can go on without a
/// repair. `report` is told how far it is: the log is read twice, and each topic once.
pub async fn compare(
    store: &dyn Store,
    kafka: &dyn Repair,
    settings: &Settings,
    enabled: &TenantLog,
    report: &Report<'_>,
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
    let all = enabled.head.number().saturating_sub(after.number());
    let read = |at: Position| at.number().saturating_sub(after.number()).min(all);
    let first = |at| report(Progress::Log(read(at), 2 * all));
    each(store, (tenant, after), &first, |event| {
        topics.insert(event.topic.clone());
    })
    .await?;
    let published = published(kafka, &topics, (enabled.log_id, after), report).await?;
    let Evidence { checkpoint, known, is_whole, parking, mut parked, cursors, .. } = evidence;
    let open: BTreeSet<_> = parked.iter().filter(|p| p.is_open()).map(|p| p.event_id).collect();
    parked_cursors::raise(&mut parked, &cursors);
    let over = parked.iter().filter(|p| !p.is_open()).map(|p| p.event_id);
    let ended: BTreeSet<_> = over.filter(|id| open.contains(id)).collect();
    let mut walk = Walk::new(start, published, parked);
    let second = |at| report(Progress::Log(all + read(at), 2 * all));
    each(store, (tenant, after), &second, |event| walk.pass(event)).await?;
    let known = known.map(|known| known.cursor);
    let mut difference =
        walk.end(Walked { enabled: enabled.clone(), kafka: known, parking, ended });
    let floors = store.floors(tenant).await?;
    difference.only_in_kafka.retain(|it| !floors.of(&it.topic).may_lack(it.position));
    // The store knows what the relay has passed over, though its checkpoint is late.
    let passed = |common: Cursor| known.is_some_and(|known| common.position >= known.position);
    let of_kafka = known_of(&cursors, enabled);
    let agree = is_whole
        && difference.parking.is_none()
        && CursorLost::check(kafka.names(), tenant, of_kafka, checkpoint.as_ref()).is_ok()
        && difference.common.is_some_and(passed);
    Ok((!agree).then_some(difference))
}

fn known_of<'c>(cursors: &'c KnownCursors, enabled: &TenantLog) -> Option<&'c KnownCursor> {
    cursors.get(&(enabled.log_id, Follower::relay()))
}

/// The state of one log, in the store and in Kafka.
struct Evidence {
    /// The store's checkpoint of the relay.
    checkpoint: Option<Cursor>,
    /// The relay's cursor in Kafka.
    known: Option<KnownCursor>,
    /// Whether the log has the event at Kafka's cursor, or neither Kafka nor the store has a
    /// cursor.
    is_whole: bool,
    parking: Option<ParkingLost>,
    /// The newest ledger that Kafka has.
    proved: Ledger,
    /// The store's rows of the log's parked scopes.
    parked: Vec<Parked>,
    cursors: KnownCursors,
}

impl Evidence {
    async fn gather(
        store: &dyn Store,
        kafka: &dyn Repair,
        enabled: &TenantLog,
    ) -> Result<Self, Error> {
        let TenantLog { tenant, log_id, lane, .. } = enabled;
        let is_its =
            |cursor: &Cursor| cursor.log_id == *log_id && cursor.position > Position::START;
        let checkpoint = store.load(tenant, &Follower::relay()).await?.filter(is_its);
        let cursors = kafka.cursors(*lane).await?;
        let known = known_of(&cursors, enabled).copied();
        let is_whole = match known {
            Some(known) => other_sinks::has(store, tenant, &known.cursor).await?,
            None => checkpoint.is_none(),
        };
        let of_log = (tenant, *log_id);
        let Compared { parked, proved, lost: parking } =
            parking_verify::compare(store, &Follower::relay(), of_log, &cursors).await?;
        Ok(Self { checkpoint, known, is_whole, parking, proved, parked, cursors })
    }

    /// Returns whether the relay can go on without a repair.
    fn agrees(&self) -> bool {
        self.is_whole
            && self.parking.is_none()
            && self.checkpoint == self.known.map(|known| known.cursor)
    }

    /// Returns the event after which to compare. Events before the store's checkpoint were
    /// published before the store went back, and are not compared again, unless Kafka's cursor, or
    /// parking that the store lost, lies before it.
    async fn start(&self, store: &dyn Store, tenant: &TenantId) -> Result<Option<Cursor>, Error> {
        let Some(checkpoint) = self.checkpoint else { return Ok(None) };
        let known = self
            .known
            .map(|known| known.cursor)
            .filter(|known| known.position < checkpoint.position);
        let first = known.unwrap_or(checkpoint);
        let start = other_sinks::has(store, tenant, &first).await?.then_some(first);
        match self.proved.oldest.filter(|_| self.parking.is_some()) {
            Some(oldest) if start.is_some_and(|start| start.position >= oldest) => {
                cursor_at(store, tenant, oldest.back(1)).await
            }
            _ => Ok(start),
        }
    }
}

/// Lets the relay of a tenant go on after the part that the histories have in common; the log has
/// the id `new` from then on. Until that is done, the tenant's lane is taken from the replica that
/// holds it, in the name of `by`.
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
        tracing::warn!(lane = %lease.lane, %error, "failed to release the lease; it will expire");
    }
    done
}

/// The parts that comparing and restoring a log need.
pub struct RestoreDeps<'a> {
    /// The logs.
    pub store: &'a dyn Store,
    /// The Kafka that the logs were published to.
    pub kafka: &'a dyn Repair,
    /// The other sinks, which get the log under its new id from the start.
    pub others: &'a [&'a dyn Sink],
    /// The settings, which name each tenant's topics.
    pub settings: &'a Settings,
    /// Whoever is told how far the comparison is, which is made once more.
    pub report: &'a Report<'a>,
}

async fn go_on(
    deps: &RestoreDeps<'_>,
    lease: &Lease,
    difference: &Difference,
    new: LogId,
) -> Result<(), Error> {
    let RestoreDeps { store, kafka, others, settings, report } = *deps;
    let Difference { enabled, common, .. } = difference;
    let TenantLog { tenant, log_id, lane, .. } = enabled;
    let changed = || Error::Changed(tenant.clone());
    let TakenOver { mut publisher, cursors } = kafka.take_over(*lane, lease.term).await?;
    // The log is no longer published, so the difference is final: it must still be as it was shown.
    let now = compare(store, kafka, settings, enabled, report).await?;
    if !now.is_some_and(|now| now.is_as_shown(difference)) {
        return Err(changed());
    }
    erasures::carry_out_again(store, settings, difference).await?;
    let at = common.map_or(Position::START, |cursor| cursor.position);
    if let Some(common) = common {
        let mut parked = store.parked(tenant, &Follower::relay()).await?;
        // These scopes go along to the new log.
        parked.retain(|parked| parked.log_id == *log_id && parked.position <= at);
        for (follower, KnownCursor { cursor, proof, sent }) in
            renewed(&cursors, &parked, difference, *common)
        {
            let cursor = Cursor { log_id: new, ..cursor };
            let slice =
                PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor, proof, sent };
            publisher = publisher
                .publish(Arc::new(Page { follower, slices: vec![slice], target: None }))
                .await?;
        }
    }
    if !store.rotate_log_id(tenant, *log_id, new, at).await? {
        return Err(changed());
    }
    // A wrong Kafka is detected, since it lacks cursors that the store knows of.
    let checkpoint = common.map(|common| (tenant.clone(), Cursor { log_id: new, ..common }));
    if store.checkpoint(lease, &Follower::relay(), checkpoint.as_slice()).await? == LeaseCheck::Lost
    {
        return Err(changed());
    }
    // Nothing goes on from the former log. Cursors of it that are left would look like another
    // store's.
    let former: Vec<_> = cursors.into_keys().filter(|(its, _)| its == log_id).collect();
    if let Err(error) = publisher.forget(&former).await {
        tracing::warn!(%tenant, %error, "failed to remove the cursors of the former log; `/readyz` \
                                         names them");
    }
    other_sinks::forget_all(others, lease, tenant, *log_id).await;
    Ok(())
}

impl Difference {
    /// Returns whether this is the difference that was shown. Events that were appended meanwhile
    /// don't matter.
    fn is_as_shown(&self, shown: &Difference) -> bool {
        let seen = |it: &Difference| {
            (it.enabled.log_id, it.enabled.lane, it.kafka, it.parking, it.common, it.again)
        };
        seen(self) == seen(shown)
            && self.ended == shown.ended
            && self.only_in_kafka == shown.only_in_kafka
    }
}

/// Returns the cursors of the log under its new id: the relay's, those of replays, and those of the
/// store's parked scopes, none of them further. A scope that has ended by Kafka ended at the
/// relay's cursor at the latest.
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
        Some((follower, KnownCursor { cursor, proof: ParkingProof { ledger, ended }, sent: None }))
    });
    let proof = ParkingProof { ledger, ended: None };
    let replays = cursors
        .iter()
        .filter(|((its, follower), _)| *its == log_id && ReplayId::of_follower(follower).is_some());
    let replays = replays.map(|((_, follower), KnownCursor { cursor, sent, .. })| {
        let cursor = if cursor.position < common.position { *cursor } else { common };
        (follower.clone(), KnownCursor { cursor, proof, sent: *sent })
    });
    let mut all = vec![(Follower::relay(), KnownCursor { cursor: common, proof, sent: None })];
    all.extend(open);
    all.extend(replays);
    all
}

/// Returns the cursor at a position.
async fn cursor_at(
    store: &dyn Store,
    tenant: &TenantId,
    position: Position,
) -> Result<Option<Cursor>, Error> {
    let from = [(tenant.clone(), position.back(1).into())];
    let slices = store.read(&from, &Scan { bytes_max: usize::MAX, ..page_scan(1) }).await?;
    let event =
        slices.iter().flat_map(|slice| &slice.events).next().filter(|e| e.position == position);
    Ok(event.map(Cursor::at))
}

/// Calls `look` with each event of a log after a position.
async fn each(
    store: &dyn Store,
    (tenant, mut after): (&TenantId, Position),
    read: &(dyn Fn(Position) + Sync),
    mut look: impl FnMut(&Envelope),
) -> Result<(), Error> {
    let scan = page_scan(super::PAGE_EVENTS_MAX);
    loop {
        let slices = store.read(&[(tenant.clone(), after.into())], &scan).await?;
        let Some(slice) = slices.first() else { return Ok(()) };
        slice.events.iter().for_each(&mut look);
        read(slice.scanned);
        if !slice.more {
            return Ok(());
        }
        after = slice.scanned;
    }
}
