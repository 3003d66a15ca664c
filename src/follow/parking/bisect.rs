//! The search for a poison record: who is isolated after a page was refused, until the one record
//! is found.
//!
//! Fed by the lane with pages that passed and pages that were refused; limits the pages that the
//! sources offer. Kept over takeovers: without it the search only begins anew. Always true: no
//! record is found guilty that was not alone in its page, since librdkafka blames innocent records
//! of a batch.

use std::collections::{HashMap, HashSet};

use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::PAGE_EVENTS_MAX;
use crate::sink::Page;

/// A follower of a tenant's log that has pages of its own.
struct Isolated {
    events_max: usize,
    /// Up to here: where the page that was refused would have ended.
    until: Position,
}

/// The search of one lane.
#[derive(Default)]
pub(in crate::follow) struct Bisection {
    isolated: HashMap<(Follower, TenantId), Isolated>,
    /// Topics that a page was refused for once: they may have been too new.
    refused_once: HashSet<Topic>,
    /// The events that a page may have, since some were too slow; `None` if none was.
    shrunk_to: Option<usize>,
}

impl Bisection {
    /// The events that a page of an isolated tenant may have; `None` if it is not isolated.
    pub(in crate::follow) fn isolated(
        &self,
        follower: &Follower,
        tenant: &TenantId,
    ) -> Option<usize> {
        let isolated = self.isolated.get(&(follower.clone(), tenant.clone()));
        isolated.map(|isolated| isolated.events_max)
    }

    /// The events that any page may have.
    pub(in crate::follow) fn events_max(&self) -> usize {
        self.shrunk_to.unwrap_or(PAGE_EVENTS_MAX)
    }

    /// A page was published.
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

    /// A page was not answered in time: the next one is smaller.
    pub(in crate::follow) fn shrink(&mut self, page: &Page) {
        let events: usize = page.slices.iter().map(|slice| slice.events.len()).sum();
        self.shrunk_to = Some((events / 2).max(1));
    }

    /// A record of the page was refused. Returns it if it was alone; else isolates the page's
    /// tenants, or halves the one.
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

    /// A topic of the page was refused. Returns its first event in each log, if that is the second
    /// time.
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

/// The only event of a page, if there is but one.
pub(in crate::follow) fn single(page: &Page) -> Option<&Envelope> {
    let mut events = page.slices.iter().flat_map(|slice| &slice.events);
    events.next().filter(|_| events.next().is_none())
}

/// The first event of a topic in each log of a page.
pub(in crate::follow) fn first_of<'p>(topic: &Topic, page: &'p Page) -> Vec<&'p Envelope> {
    let first = |events: &'p [Envelope]| events.iter().find(|event| event.topic == *topic);
    page.slices.iter().filter_map(|slice| first(&slice.events)).collect()
}
