//! The entity or process event that a request names, found in the tenant's settings.
//!
//! `Intake` makes a target before the body is read, and the target makes a draft of each item of
//! the body. Every draft has an event id, the module's own or a new one, and the topic of the
//! settings.

use crate::clock::Clock;
use crate::domain::draft::{Draft, Origin, Place, Posting};
use crate::domain::entity::{Entity, EventName};
use crate::domain::event::EventId;
use crate::domain::json::Raw;
use crate::domain::settings::{Settings, Unknown};
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::violation::Violation;
use crate::domain::wire_form::WireForm;
use crate::domain::{change, delete_all, process_event};

/// A source of ids for events that are posted without one.
struct NewIds<'a> {
    clock: &'a dyn Clock,
    version: Version,
}

/// The version of new ids.
enum Version {
    /// Version 7, which is the cheapest to keep.
    Ordered,
    /// Version 4, since hexkit's models take no other.
    Random,
}

impl<'a> NewIds<'a> {
    fn new(
        settings: &Settings,
        clock: &'a dyn Clock,
        tenant: &TenantId,
        wire_form: WireForm,
    ) -> Self {
        let is_for_hexkit = settings.of(tenant).hexkit.is_some() || wire_form.wants_random_ids();
        let version = if is_for_hexkit { Version::Random } else { Version::Ordered };
        Self { clock, version }
    }

    fn next(&self) -> EventId {
        match self.version {
            Version::Ordered => self.clock.new_event_id(),
            Version::Random => EventId::new(self.clock.new_id()),
        }
    }
}

/// An entity of a tenant.
pub struct EntityTarget<'a> {
    entity: &'a Entity,
    posting: Posting,
    ids: NewIds<'a>,
}

impl<'a> EntityTarget<'a> {
    pub(super) fn find(
        settings: &'a Settings,
        clock: &'a dyn Clock,
        origin: &Origin,
        producer: &str,
        name: &str,
    ) -> Result<Self, Unknown> {
        let (entity, topic) = settings.entity(&origin.tenant, producer, name)?;
        let place = Place { subject: Subject::new(producer, name), topic };
        let ids = NewIds::new(settings, clock, &origin.tenant, entity.wire_form);
        Ok(Self { entity, posting: Posting { place, origin: origin.clone() }, ids })
    }

    /// Makes the draft of a posted change; `at` is the JSON pointer to it. An error lists every
    /// violation.
    pub fn change(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        change::parse(item, at, self.entity, &self.posting, || self.ids.next())
    }

    /// Makes the draft of a DELETE_ALL; `item` is the request's body, if it has one.
    pub fn delete_all(self, item: Option<&Raw>) -> Result<Draft, Vec<Violation>> {
        let given = item.map(delete_all::parse).transpose()?.flatten();
        let event_id = given.unwrap_or_else(|| self.ids.next());
        let Posting { place, origin } = self.posting;
        let draft = Draft::delete_all(place, self.entity.wire_form, event_id, &origin);
        Ok(draft.published_as(self.entity.topic.delete_all))
    }
}

/// A process event of a tenant.
pub struct ProcessEventTarget<'a> {
    event: &'a EventName,
    wire_form: WireForm,
    posting: Posting,
    ids: NewIds<'a>,
}

impl<'a> ProcessEventTarget<'a> {
    pub(super) fn find(
        settings: &'a Settings,
        clock: &'a dyn Clock,
        origin: &Origin,
        producer: &str,
        name: &str,
    ) -> Result<Self, Unknown> {
        let (event, set, topic) = settings.process_event(&origin.tenant, producer, name)?;
        let wire_form = set.wire_form;
        let place = Place { subject: Subject::new(producer, event.as_str()), topic };
        let ids = NewIds::new(settings, clock, &origin.tenant, wire_form);
        Ok(Self { event, wire_form, posting: Posting { place, origin: origin.clone() }, ids })
    }

    /// Makes the draft of a posted process event; `at` is the JSON pointer to it. An error lists
    /// every violation.
    pub fn process_event(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        let event = (self.event, self.wire_form);
        process_event::parse(item, at, event, &self.posting, || self.ids.next())
    }
}
