//! The search for a poison record: after a page was refused, tenants are isolated until the one
//! record is found.
//!
//! The lane reports pages that passed and pages that were refused; the search limits the pages that
//! the sources offer. Takeovers keep its state; if it is lost, the search only begins anew. A
//! record is blamed only if it was alone in its page, since librdkafka blames innocent records of a
//! batch.

use std::collections::{HashMap, HashSet};

use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::PAGE_EVENTS_MAX;
use crate::sink::Page;

/// A tenant of a follower that gets pages of its own.
struct Isolated {
    events_max: usize,
    /// The position up to which it is isolated: the end of the page that was refused.
    until: Position,
}

/// The search of one lane.
#[derive(Default)]
pub(in crate::follow) struct Bisection {
    isolated: HashMap<(Follower, TenantId), Isolated>,
    /// Topics for which a page was refused once: they may have been too new.
    refused_once: HashSet<Topic>,
    /// The most events of a page, since larger ones were too slow; `None` if none was.
    shrunk_to: Option<usize>,
}

impl Bisection {
    /// Returns the most events of a page of an isolated tenant; `None` if it is not isolated.
    pub(in crate::follow) fn isolated(
        &self,
        follower: &Follower,
        tenant: &TenantId,
    ) -> Option<usize> {
        let isolated = self.isolated.get(&(follower.clone(), tenant.clone()));
        isolated.map(|isolated| isolated.events_max)
    }

    /// Returns the most events of any page.
    pub(in crate::follow) fn events_max(&self) -> usize {
        self.shrunk_to.unwrap_or(PAGE_EVENTS_MAX)
    }

    /// Notes that a page was published.
    pub(in crate::follow) fn passed(&mut self, page: &Page) {
        let doubled = self.shrunk_to.map(|events| events * 2);
        self.shrunk_to = doubled.filter(|events| *events < PAGE_EVENTS_MAX);
        for slice in &page.slices {
            let whose = (page.follower.clone(), slice.tenant.clone());
            let is_over = |isolated: &Isolated| slice.cursor.position >= isolated.until;
            if self.isolated.get(&whose).is_some_and(is_over) {
                self.isolated.remove(&whose);
            }
            slice.events.iter().for_each(|event| {
                self.refused_once.remove(&event.topic);
            });
        }
    }

    /// Makes the next page smaller, since a page was not answered in time.
    pub(in crate::follow) fn shrink(&mut self, page: &Page) {
        let events: usize = page.slices.iter().map(|slice| slice.events.len()).sum();
        self.shrunk_to = Some((events / 2).max(1));
    }

    /// Notes that a record of the page was refused. Returns the record if it was alone; else
    /// isolates the page's tenants, or halves the page of the isolated one.
    pub(in crate::follow) fn bisect<'p>(&mut self, page: &'p Page) -> Option<&'p Envelope> {
        if let Some(event) = single(page) {
            return Some(event);
        }
        let sent: Vec<_> = page.slices.iter().filter(|slice| !slice.events.is_empty()).collect();
        for slice in &sent {
            let events_max = if sent.len() > 1 { PAGE_EVENTS_MAX } else { slice.events.len() / 2 };
            let isolated = Isolated { events_max, until: slice.cursor.position };
            self.isolated.insert((page.follower.clone(), slice.tenant.clone()), isolated);
        }
        None
    }

    /// Notes that a topic of the page was refused. At the second time, returns the topic's first
    /// event in each log.
    pub(in crate::follow) fn second_refusal<'p>(
        &mut self,
        topic: &Topic,
        page: &'p Page,
    ) -> Vec<&'p Envelope> {
        if self.refused_once.insert(topic.clone()) {
            return Vec::new();
        }
        first_of(topic, page)
    }
}

/// Returns the event of a page that has only one.
pub(in crate::follow) fn single(page: &Page) -> Option<&Envelope> {
    let mut events = page.slices.iter().flat_map(|slice| &slice.events);
    events.next().filter(|_| events.next().is_none())
}

/// Returns the first event of a topic in each log of a page.
pub(in crate::follow) fn first_of<'p>(topic: &Topic, page: &'p Page) -> Vec<&'p Envelope> {
    let first = |events: &'p [Envelope]| events.iter().find(|event| event.topic == *topic);
    page.slices.iter().filter_map(|slice| first(&slice.events)).collect()
}
