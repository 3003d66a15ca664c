//! Reads of parked scopes: their rows, their ledgers, and the events that they hold.
//!
//! `load`, `verify` and `release` call it; it reads the store.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use bytes::Bytes;

use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::follower::Follower;
use crate::domain::headers::Headers;
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::follow::lane_state::Logs;
use crate::follow::read_log;
use crate::store::{Error, LogLedger, Scan, Store};

/// The most events of one read that keeps no payloads.
const EVENTS_MAX: usize = 2_000;

/// Returns the store's ledger of each log of a lane that ever parked something.
pub(super) async fn ledgers(
    store: &dyn Store,
    logs: &Logs,
) -> Result<HashMap<LogId, LogLedger>, Error> {
    let ledgers = store.parking_ledgers(logs.lane, &logs.follower).await?;
    Ok(ledgers.into_iter().map(|ledger| (ledger.log_id, ledger)).collect())
}

/// Returns everything that one log ever parked.
pub(super) async fn parked_in(
    store: &dyn Store,
    follower: &Follower,
    (tenant, log_id): (&TenantId, LogId),
) -> Result<Vec<Parked>, Error> {
    let mut parked = store.parked(tenant, follower).await?;
    parked.retain(|parked| parked.log_id == log_id);
    Ok(parked)
}

/// Returns the filter that matches a parked scope's events.
pub(super) fn scope(parked: &Parked) -> Filter {
    let topics = vec![TopicPattern::exact(&parked.topic)];
    Filter { topics, keys: parked.key.clone().into_iter().collect(), ..Filter::default() }
}

/// Returns the filter that matches all events of these scopes' topics.
pub(super) fn topics<'p>(parked: impl Iterator<Item = &'p Parked>) -> Filter {
    let topics: BTreeSet<_> = parked.map(|parked| &parked.topic).collect();
    let topics = topics.into_iter().map(TopicPattern::exact).collect();
    Filter { topics, ..Filter::default() }
}

/// Reads the events after the range's start and up to its end, without payloads and headers, which
/// may be large.
pub(super) async fn each(
    store: &dyn Store,
    tenant: &TenantId,
    range: Range<Position>,
    filter: Filter,
    mut look: impl FnMut(Envelope) + Send,
) -> Result<(), Error> {
    let (scan, mut after) = (Scan::page(filter, EVENTS_MAX), range.start);
    while after < range.end {
        let slice = read_log(store, tenant, after, &scan).await?;
        for event in slice.events.into_iter().take_while(|event| event.position <= range.end) {
            look(Envelope { payload: Bytes::new(), headers: Headers::default(), ..event });
        }
        if !slice.more {
            break;
        }
        after = slice.scanned;
    }
    Ok(())
}
