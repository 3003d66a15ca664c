//! Changes the number of lanes, while no replica runs: a tenant that gets another lane takes its
//! cursors with it.
//!
//! It reads the store's members and tenants, and writes each sink's cursors, then the store. A
//! tenant's new lane does not fence the tenant's old one, so all lanes, old and new, are fenced in
//! each sink, and their leases are held until the store has changed. Cursors are copied before
//! that, and the old copies are removed after it. So at whatever point this ends, the lane that the
//! store names has the newest cursors, and the resize may be repeated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::lease::{LEASE, keep_renewing};
use super::verify::CursorLost;
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::{Lane, respread};
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::trail::TrailEntry;
use crate::sink::{
    self, KnownCursor, KnownCursors, Names, Page, PageSlice, Repair, Sink, Sinks, TakenOver,
};
use crate::store::{self, Lease, Members, Store, TenantLog};

/// The most cursors of one page.
const CURSORS_MAX: usize = 1_000;

/// The reason why the number of lanes was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A sink failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// A cursor that must be copied is missing or went back.
    #[error(transparent)]
    CursorLost(#[from] CursorLost),
    /// The store is new.
    #[error(
        "the store has no lanes yet: start the gateway with LANES set to the number that you want"
    )]
    NoLanes,
    /// These replicas run.
    #[error("these replicas run: {}; stop them first (a killed one counts for 5 s)", .0.join(", "))]
    Attended(Vec<String>),
    /// A purge needs the lane that its tenant had.
    #[error("tenant {0} is being purged: start the gateway, and resize once that is complete")]
    Purging(TenantId),
    /// Another process holds a lane, or did until a moment ago.
    #[error("{0} is held; stop the replica or command that holds it (a killed one counts for 5 s)")]
    Held(Lane),
    /// A sink has cursors, or may have, and its address is unset.
    #[error(
        "tenant {tenant} has a cursor in {}: set {}, so that the cursor can be moved too",
        .sink.place, .sink.variable
    )]
    NoSink {
        /// The tenant of the cursor.
        tenant: TenantId,
        /// The sink.
        sink: KnownSink,
    },
}

/// A sink that may have cursors, whether or not it is configured.
#[derive(Debug, Clone, Copy)]
pub struct KnownSink {
    place: &'static str,
    variable: &'static str,
    follower: fn() -> Follower,
}

impl KnownSink {
    fn is_broker(self) -> bool {
        (self.follower)() == Follower::relay()
    }
}

const KNOWN_SINKS: [KnownSink; 2] = [
    KnownSink { place: "Kafka", variable: "KAFKA_HOST", follower: Follower::relay },
    KnownSink {
        place: "hexkit's MongoDB",
        variable: "HEXKIT_MONGODB_URL",
        follower: Follower::hexkit,
    },
];

/// The change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resized {
    /// The number of lanes before.
    pub from: u16,
    /// The number of tenants that have another lane now.
    pub moved: usize,
}

/// The progress of a resize: so many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Lanes of this sink are fenced.
    Fenced(&'static str, usize, usize),
    /// Cursors of this sink are copied.
    Copied(&'static str, usize, usize),
}

/// The receiver of the progress.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Changes the number of lanes to `lanes`, and spreads the tenants over them. `by` names this
/// process in the leases; the entry is written once it has them. `sinks` must be those that the
/// gateway publishes to.
pub async fn resize(
    store: &dyn Store,
    sinks: &Sinks,
    by: &str,
    lanes: u16,
    entry: &TrailEntry,
    report: Report<'_>,
) -> Result<Resized, Error> {
    let Members { replicas, lanes: leases, .. } = store.members().await?;
    if !replicas.is_empty() {
        return Err(Error::Attended(replicas));
    }
    if leases.is_empty() {
        return Err(Error::NoLanes);
    }
    if let Some(purge) = store.purges().await?.into_iter().next() {
        return Err(Error::Purging(purge.tenant));
    }
    let from = u16::try_from(leases.len()).unwrap_or(u16::MAX);
    let done = async {
        let mut leases = Vec::new();
        for lane in Lane::all(from) {
            leases.push(store.acquire(lane, by, LEASE).await?.ok_or(Error::Held(lane))?);
        }
        store.add_trail(entry).await?;
        let resize = Resize { store, by, leases: &leases, from, to: lanes, report };
        let copied = tokio::select! {
            copied = resize.copy(sinks) => copied?,
            lost = keep_renewing(store, &leases) => return Err(Error::Held(lost)),
        };
        resize.end(copied).await
    }
    .await;
    if done.is_err() {
        for lane in Lane::all(from) {
            if let Err(error) = release(store, lane, by).await {
                tracing::warn!(%lane, %error, "failed to release the lease; it will expire");
            }
        }
    }
    done
}

/// Releases a lease. It is acquired once more first, since a call whose answer was lost may have
/// acquired it.
async fn release(store: &dyn Store, lane: Lane, by: &str) -> Result<(), store::Error> {
    match store.acquire(lane, by, LEASE).await? {
        Some(lease) => store.release(&lease).await,
        None => Ok(()),
    }
}

/// The cursors of all lanes, once they are copied into their tenants' new lanes.
struct Copied {
    tenants: Vec<TenantLog>,
    moves: BTreeMap<TenantId, Lane>,
    /// The lanes of each sink.
    sinks: Vec<BTreeMap<Lane, TakenOver>>,
}

struct Resize<'a> {
    store: &'a dyn Store,
    by: &'a str,
    leases: &'a [Lease],
    from: u16,
    to: u16,
    report: Report<'a>,
}

impl Resize<'_> {
    async fn copy(&self, configured: &Sinks) -> Result<Copied, Error> {
        let tenants = self.store.list().await?;
        let before: Vec<_> = tenants.iter().map(|t| (t.tenant.clone(), t.lane)).collect();
        let moves: BTreeMap<_, _> = respread(&before, self.to).into_iter().collect();
        let mut sinks = Vec::new();
        for known in KNOWN_SINKS {
            let follower = (known.follower)();
            let noted = self.noted(&tenants, &follower).await?;
            let sink = configured.sinks.iter().find(|sink| *sink.follower() == follower);
            match (sink, noted.keys().next()) {
                (Some(sink), _) => {
                    let repair = configured.repair.as_deref().filter(|_| known.is_broker());
                    let mut lanes = self.take_over(&**sink, repair).await?;
                    let of = (sink.names(), &follower);
                    copy(of, &mut lanes, &tenants, &moves, &noted, self.report).await?;
                    sinks.push(lanes);
                }
                (None, Some(tenant)) => {
                    return Err(Error::NoSink { tenant: tenant.clone(), sink: known });
                }
                (None, None) => {}
            }
        }
        Ok(Copied { tenants, moves, sinks })
    }

    async fn end(&self, copied: Copied) -> Result<Resized, Error> {
        let Copied { mut tenants, moves, sinks } = copied;
        let changed: Vec<_> = moves.iter().map(|(tenant, lane)| (tenant.clone(), *lane)).collect();
        self.store.resize(self.by, self.to, &changed).await?;
        for tenant in &mut tenants {
            tenant.lane = moves.get(&tenant.tenant).copied().unwrap_or(tenant.lane);
        }
        for lanes in sinks {
            if let Err(error) = remove_stale(lanes, &tenants).await {
                tracing::warn!(%error, "failed to remove old cursors, which nothing reads; to \
                                        remove them, resize again");
            }
        }
        Ok(Resized { from: self.from, moved: moves.len() })
    }

    /// Returns the store's checkpoint of each log.
    async fn noted(
        &self,
        tenants: &[TenantLog],
        follower: &Follower,
    ) -> Result<BTreeMap<TenantId, Cursor>, Error> {
        let mut noted = BTreeMap::new();
        for lane in Lane::all(self.from) {
            noted.extend(self.store.load_lane(lane, follower).await?);
        }
        let log_of: HashMap<_, _> = tenants.iter().map(|t| (&t.tenant, t.log_id)).collect();
        noted.retain(|tenant, cursor| log_of.get(tenant) == Some(&cursor.log_id));
        Ok(noted)
    }

    /// Fences the present lanes and the new ones, and in Kafka all former ones.
    async fn take_over(
        &self,
        sink: &dyn Sink,
        repair: Option<&dyn Repair>,
    ) -> Result<BTreeMap<Lane, TakenOver>, Error> {
        let lanes = self.from.max(self.to);
        let most = match repair {
            Some(kafka) => kafka.add_partitions(lanes).await?,
            None => lanes,
        };
        let mut lanes = BTreeMap::new();
        // A new or former lane, which the store does not have, has no lease.
        let lease_of = |lane| self.leases.iter().find(|lease| lease.lane == lane);
        for lane in Lane::all(most) {
            let term = lease_of(lane).map_or(0, |lease| lease.term);
            lanes.insert(lane, sink.take_over(lane, term).await?);
            (self.report)(Progress::Fenced(sink.names().sink, lanes.len(), most.into()));
        }
        Ok(lanes)
    }
}

/// Writes the cursors of tenants that move into their new lanes.
async fn copy(
    (names, follower): (Names, &Follower),
    lanes: &mut BTreeMap<Lane, TakenOver>,
    tenants: &[TenantLog],
    moves: &BTreeMap<TenantId, Lane>,
    noted: &BTreeMap<TenantId, Cursor>,
    report: Report<'_>,
) -> Result<(), Error> {
    let mut copies: BTreeMap<(Lane, Follower), Vec<PageSlice>> = BTreeMap::new();
    for TenantLog { tenant, log_id, lane, .. } in tenants {
        let (Some(to), Some(from)) = (moves.get(tenant), lanes.get(lane)) else { continue };
        let known = from.cursors.get(&(*log_id, follower.clone()));
        CursorLost::check(names, tenant, known, noted.get(tenant))?;
        for (follower, KnownCursor { cursor, proof, sent }) in of(&from.cursors, *log_id) {
            let slice =
                PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor, proof, sent };
            copies.entry((*to, follower)).or_default().push(slice);
        }
    }
    let (mut done, all) = (0, copies.values().map(Vec::len).sum());
    for ((lane, follower), slices) in copies {
        let TakenOver { mut publisher, cursors } =
            lanes.remove(&lane).expect("every lane is fenced");
        for slices in slices.chunks(CURSORS_MAX) {
            let page = Page { follower: follower.clone(), slices: slices.to_vec(), target: None };
            publisher = publisher.publish(Arc::new(page)).await?;
            done += slices.len();
            report(Progress::Copied(names.sink, done, all));
        }
        lanes.insert(lane, TakenOver { publisher, cursors });
    }
    Ok(())
}

/// Returns a log's cursors.
fn of(cursors: &KnownCursors, log_id: LogId) -> impl Iterator<Item = (Follower, KnownCursor)> {
    let its = cursors.iter().filter(move |((log, _), _)| *log == log_id);
    its.map(|((_, follower), cursor)| (follower.clone(), *cursor))
}

/// Removes the cursors that stand in another lane than their tenant's. If the store ever went back
/// to a time when that was the tenant's lane, the relay must not go on from them.
async fn remove_stale(
    lanes: BTreeMap<Lane, TakenOver>,
    tenants: &[TenantLog],
) -> Result<(), sink::Error> {
    for (lane, TakenOver { publisher, cursors }) in lanes {
        let elsewhere: BTreeSet<_> =
            tenants.iter().filter(|t| t.lane != lane).map(|t| t.log_id).collect();
        let stale: Vec<_> =
            cursors.into_keys().filter(|(log_id, _)| elsewhere.contains(log_id)).collect();
        if !stale.is_empty() {
            publisher.forget(&stale).await?;
        }
    }
    Ok(())
}
