//! Bisection: whom a page that was refused has to answer for, until the one record is found.
//!
//! Fed with pages that passed and pages that didn't; feeds the relay with who is to be alone, and
//! with how many events. Kept over takeovers: without it the search only begins anew. librdkafka
//! blames innocent records of a batch, so nobody is believed guilty that is not isolated.

use std::collections::{HashMap, HashSet};

use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::PAGE_EVENTS_MAX;
use crate::follow::held::Held;
use crate::follow::rivals::Rivals;
use crate::sink::Page;

/// A follower of a tenant's log that is alone in its pages.
struct Isolated {
    events_max: usize,
    /// Up to here: where the page that was refused would have ended.
    until: Position,
}

/// All of them, of one lane.
#[derive(Default)]
pub(in crate::follow) struct Bisection {
    isolated: HashMap<(Follower, TenantId), Isolated>,
    /// Topics that a page was refused for once: it may be that they were too new.
    topics: HashSet<Topic>,
    /// Events of a page, at most, since some were too slow; `None`: as many as there may be.
    slow: Option<usize>,
    /// What waits for a while, whoever is suspected.
    pub(in crate::follow) held: Held,
    /// Who else takes the lane.
    pub(in crate::follow) rivals: Rivals,
}

impl Bisection {
    /// How many events of a tenant to send, alone; `None` if it needn't be.
    pub(in crate::follow) fn isolated(
        &self,
        follower: &Follower,
        tenant: &TenantId,
    ) -> Option<usize> {
        self.isolated.get(&(follower.clone(), tenant.clone())).map(|isolated| isolated.events_max)
    }

    /// How many events a page may have.
    pub(in crate::follow) fn events_max(&self) -> usize {
        self.slow.unwrap_or(PAGE_EVENTS_MAX)
    }

    /// A page was published.
    pub(in crate::follow) fn passed(&mut self, page: &Page) {
        self.slow = self.slow.map(|events| events * 2).filter(|events| *events < PAGE_EVENTS_MAX);
        for slice in &page.slices {
            let whose = (page.follower.clone(), slice.tenant.clone());
            if self
                .isolated
                .get(&whose)
                .is_some_and(|isolated| slice.cursor.position >= isolated.until)
            {
                self.isolated.remove(&whose);
            }
            slice.events.iter().for_each(|event| {
                self.topics.remove(&event.topic);
            });
        }
    }

    /// A page was not answered in time: the next one is smaller.
    pub(in crate::follow) fn shrink(&mut self, page: &Page) {
        let events: usize = page.slices.iter().map(|slice| slice.events.len()).sum();
        self.slow = Some((events / 2).max(1));
    }

    /// A record of the page was refused: the one, if it was alone; else less is sent next time.
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

    /// A topic of the page was refused: its first event in each log, if it was the second time.
    pub(in crate::follow) fn second_refusal<'p>(
        &mut self,
        topic: &Topic,
        page: &'p Page,
    ) -> Vec<&'p Envelope> {
        if self.topics.insert(topic.clone()) {
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
