//! Where a request's drafts go: the names of its path, looked up in the tenant's settings.
//!
//! Made by `Intake` before a body is read; feeds whoever posts with drafts, each of which has an
//! event id, the module's own or a new one. Always true: a draft goes to the topic that the
//! settings give to what was named.

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

    /// The draft of a posted change; `at` is the JSON pointer to it. All that is illegal is named.
    pub fn change(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        change::parse(item, at, self.entity, &self.posting, || self.clock.new_event_id())
    }

    /// The draft that says that every record of the entity is gone, with what the module says of
    /// it, if anything.
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

    /// The draft of a posted process event; `at` is the JSON pointer to it. All that is illegal is
    /// named.
    pub fn process_event(&self, item: &Raw, at: &str) -> Result<Draft, Vec<Violation>> {
        process_event::parse(item, at, self.event, &self.posting, || self.clock.new_event_id())
    }
}
