//! The entity or process event that a request names, found in the tenant's settings.
//!
//! `Intake` makes a target before the body is read, and the target makes a draft of each item of
//! the body. Every draft has an event id, the module's own or a new one, and the topic of the
//! settings.

use crate::clock::Clock;
use crate::domain::draft::{Draft, Origin, Place, Posting};
use crate::domain::entity::{Entity, EventName};
use crate::domain::json::Raw;
use crate::domain::settings::{Settings, Unknown};
use crate::domain::subject::Subject;
use crate::domain::violation::Violation;
use crate::domain::{change, delete_all, process_event};

/// An entity of a tenant.
pub struct EntityTarget<'a> {
    entity: &'a Entity,
    posting: Posting,
    clock: &'a dyn Clock,
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
        Ok(Self { entity, posting: Posting { place, origin: origin.clone() }, clock })
    }

    /// Makes the draft of a posted change; `at` is the JSON pointer to it. An error lists every
    /// violation.
    pub fn change(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        change::parse(item, at, self.entity, &self.posting, || self.clock.new_event_id())
    }

    /// Makes the draft of a DELETE_ALL; `item` is the request's body, if it has one.
    pub fn delete_all(self, item: Option<&Raw>) -> Result<Draft, Vec<Violation>> {
        let given = item.map(delete_all::parse).transpose()?.flatten();
        let event_id = given.unwrap_or_else(|| self.clock.new_event_id());
        let Posting { place, origin } = self.posting;
        Ok(Draft::delete_all(place, self.entity.wire_form, event_id, &origin))
    }
}

/// A process event of a tenant.
pub struct ProcessEventTarget<'a> {
    event: &'a EventName,
    posting: Posting,
    clock: &'a dyn Clock,
}

impl<'a> ProcessEventTarget<'a> {
    pub(super) fn find(
        settings: &'a Settings,
        clock: &'a dyn Clock,
        origin: &Origin,
        producer: &str,
        name: &str,
    ) -> Result<Self, Unknown> {
        let (event, topic) = settings.process_event(&origin.tenant, producer, name)?;
        let place = Place { subject: Subject::new(producer, event.as_str()), topic };
        Ok(Self { event, posting: Posting { place, origin: origin.clone() }, clock })
    }

    /// Makes the draft of a posted process event; `at` is the JSON pointer to it. An error lists
    /// every violation.
    pub fn process_event(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        process_event::parse(item, at, self.event, &self.posting, || self.clock.new_event_id())
    }
}
