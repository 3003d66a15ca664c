//! Parking: when the sink refuses an event for good, its key or its whole topic is parked, and the
//! rest of the log goes on.
//!
//! Fed by the store's rows, and by the cursors that releases have in the sink; feeds the sources
//! with the events to leave out, and the lane with transitions to write. Always true: a scope is in
//! the store before the relay passes over it, and before anything after a release is sent, its row
//! says that the release has ended.
//!
//! `ledger` decides about each event whether it is sent, `proof` tells the sink about the ledger,
//! `load` reads the rows at a takeover, `requests` takes the operators' requests, `release`
//! publishes what was parked, `bisect` finds the record that a page was refused for, and `verify`
//! compares the store's ledger with the sink's.

pub(super) mod bisect;
mod changes;
pub(super) mod cursors;
mod ledger;
mod load;
mod proof;
mod reading;
pub(super) mod release;
pub mod requests;
pub(super) mod verify;

use std::collections::BTreeMap;

use self::ledger::{ParkingLedger, Verdict};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::key::Key;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::transition::{Change, Transition};
use crate::sink::{Page, ParkingProof};

/// The part of a topic that is parked with an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The event's key.
    Key,
    /// The whole topic.
    Topic,
}

/// A record that the sink refuses for good.
pub(super) struct Refused<'p> {
    /// The page that contains it.
    pub(super) page: &'p Page,
    pub(super) event: &'p Envelope,
    pub(super) scope: Scope,
    /// The sink's reason.
    pub(super) cause: &'p str,
}

/// The parked scopes of a lane's logs, by tenant.
#[derive(Default)]
pub(super) struct Parking {
    ledgers: BTreeMap<TenantId, ParkingLedger>,
}

impl Parking {
    /// Returns whether anything is parked.
    pub(super) fn has_open(&self) -> bool {
        self.ledgers.values().any(|ledger| ledger.open().next().is_some())
    }

    /// Returns whether an event is parked, or would be if it came next.
    pub(super) fn keeps(&self, event: &Envelope) -> bool {
        self.ledgers.get(&event.tenant).is_some_and(|ledger| ledger.keeps(event))
    }

    /// Returns whether an event that the relay has passed is not published, by a scope that is open
    /// or that has ended since the takeover.
    pub(super) fn holds(&self, event: &Envelope) -> bool {
        self.ledgers.get(&event.tenant).is_some_and(|ledger| ledger.holds(event))
    }

    /// Returns whether a topic is parked as a whole.
    pub(super) fn has_open_topic(&self, tenant: &TenantId, topic: &Topic) -> bool {
        let is_its = |parked: &Parked| parked.key.is_none() && parked.topic == *topic;
        self.ledgers.get(tenant).is_some_and(|ledger| ledger.open().any(is_its))
    }

    /// Passes over the next events of a log, up to `position`, and returns those to send. The
    /// others are counted.
    pub(super) fn pass(
        &mut self,
        tenant: &TenantId,
        mut events: Vec<Envelope>,
        position: Position,
    ) -> Vec<Envelope> {
        if let Some(ledger) = self.ledgers.get_mut(tenant) {
            events.retain(|event| ledger.pass(event) == Verdict::Send);
            ledger.passed(position);
        }
        events
    }

    /// Returns the proof that pages of a log carry: the ledger, as far as the sink may learn of it.
    pub(super) fn proof(&self, tenant: &TenantId) -> ParkingProof {
        self.ledgers.get(tenant).map(ParkingLedger::proof).unwrap_or_default()
    }

    /// Returns the tenants whose newest ledger the sink lacks.
    pub(super) fn unproved(&self) -> impl Iterator<Item = &TenantId> {
        self.ledgers.iter().filter(|(_, ledger)| ledger.is_unproved()).map(|(tenant, _)| tenant)
    }

    /// Notes that the sink committed a page, with the proof that it carries.
    pub(super) fn proved(&mut self, page: &Page) {
        for slice in &page.slices {
            if let Some(ledger) = self.ledgers.get_mut(&slice.tenant) {
                ledger.proved(&slice.proof.ledger);
            }
        }
    }

    /// Returns the ledger of a log that ever parked something.
    fn ledger(&self, tenant: &TenantId) -> Option<&ParkingLedger> {
        self.ledgers.get(tenant)
    }

    fn ledger_mut(&mut self, tenant: &TenantId) -> Option<&mut ParkingLedger> {
        self.ledgers.get_mut(tenant)
    }

    /// Returns the scopes to release: one of each log.
    fn releasing(&self) -> impl Iterator<Item = &Parked> {
        self.ledgers.values().filter_map(ParkingLedger::releasing)
    }

    /// Returns a scope whose end the sink lacks, with its ledger.
    fn unproved_end(&self) -> Option<(&ParkingLedger, &Parked)> {
        self.ledgers.values().find_map(|ledger| Some((ledger, ledger.unproved_end()?)))
    }

    /// Forgets a tenant that is no longer published.
    pub(super) fn forget(&mut self, tenant: &TenantId) {
        self.ledgers.remove(tenant);
    }

    /// Takes the transitions since the last call. They are written before the next page is offered.
    pub(super) fn take_transitions(&mut self) -> Vec<Transition> {
        self.ledgers.values_mut().flat_map(ParkingLedger::take_transitions).collect()
    }

    /// Returns the transition that parks a refused record. With a DELETE_ALL the whole topic is
    /// parked, or later creates would pass it; so it is when too many of its keys are.
    pub(super) fn park(&self, refused: &Refused<'_>) -> Transition {
        let Envelope { tenant, topic, key, event_id, event_type, .. } = refused.event;
        let is_crowded = self.ledger(tenant).is_some_and(|ledger| ledger.is_crowded(topic));
        let is_whole =
            refused.scope == Scope::Topic || *event_type == EventType::DeleteAll || is_crowded;
        let key = (!is_whole).then(|| key.clone());
        self.park_scope(refused.event, *event_id, key, refused.cause)
    }

    /// Returns the transition that parks the key of an event that was erased before it was sent.
    /// The ERASED event that follows it discards the scope, which is not named after the event
    /// itself, since that may name its parked topic.
    pub(super) fn park_erased(&self, event: &Envelope) -> Transition {
        let (name, cause) =
            (event.event_id.derived("erased"), "it was erased before it was published");
        self.park_scope(event, name, Some(event.key.clone()), cause)
    }

    fn park_scope(
        &self,
        event: &Envelope,
        name: EventId,
        key: Option<Key>,
        cause: &str,
    ) -> Transition {
        let Envelope { tenant, log_id, position, topic, .. } = event;
        Transition {
            tenant: tenant.clone(),
            log_id: *log_id,
            event_id: name,
            number: self.ledger(tenant).map_or(0, |ledger| ledger.ledger().number) + 1,
            change: Change::Park {
                position: *position,
                topic: topic.clone(),
                key,
                cause: cause.to_owned(),
            },
        }
    }
}
