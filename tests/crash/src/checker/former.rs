//! The former life of the logs: the events that a store has lost when it was put back to a backup, and
//! what `restore` has told of them.
//!
//! Everything is empty if the store never was put back.

use std::collections::{HashMap, HashSet};

use crate::evidence::{Eras, Logged, PutBack, Restored};
use crate::kafka::Record;
use crate::story::Story;

/// The events that were lost.
#[derive(Default)]
pub(super) struct Former<'a> {
    put_backs: &'a [PutBack],
    /// The changes and DELETE_ALLs that the logs have lost, as they may, by their ids.
    lost: HashSet<&'a str>,
    /// The positions that changes of the tenants may have had: they are in no log, and it is unknown
    /// whether they were lost or removed.
    unknown: HashSet<(&'a str, u64)>,
    /// The ids of events that may have been appended twice, before and after a loss.
    twice: HashSet<&'a str>,
    /// The positions of events in Kafka's last records of them.
    recorded: HashMap<&'a str, u64>,
    /// The ids of changes and DELETE_ALLs whose acknowledgement the store may have lost.
    unkept: HashSet<&'a str>,
    /// The records that are only in Kafka, by their places.
    told: HashSet<(&'a str, i32, i64)>,
    /// The order of the logs' ids.
    ranks: HashMap<&'a str, usize>,
    /// The repairs of each tenant's log, in their order, with the places of its ids.
    restored: HashMap<&'a str, Vec<(usize, &'a Restored)>>,
}

impl<'a> Former<'a> {
    pub(super) fn new(story: &'a Story, by_id: &HashMap<&str, (&'a str, &'a Logged)>) -> Self {
        let observed = &story.observed;
        if observed.put_backs.is_empty() {
            return Self::default();
        }
        let mut former = Self { put_backs: &observed.put_backs, ..Self::default() };
        let all = observed.put_backs.iter().flat_map(|it| &it.restored).enumerate();
        for (at, restored) in all {
            former.ranks.insert(&restored.log_id, at + 1);
            former.restored.entry(&restored.tenant).or_default().push((at + 1, restored));
            for it in &restored.only_in_kafka {
                former.told.insert((&it.topic, it.partition, it.offset));
                former.twice.insert(&it.event_id);
            }
        }
        // What is published, and not lost, has survived, though it may have left the log since.
        let live = story.committed.iter().filter(|it| !it.is_replayed() && !former.is_told(it));
        let recorded = live.filter_map(|record| {
            Some((record.header("event_id")?, record.header("position")?.parse().ok()?))
        });
        former.recorded = recorded.collect();
        let changes = observed.acknowledged.iter();
        let changes = changes.map(|it| (it.event_id.as_str(), it.eras, &it.tenant, it.position));
        let delete_alls = observed.delete_alls.iter();
        let delete_alls =
            delete_alls.map(|it| (it.event_id.as_str(), it.eras, &it.tenant, it.position));
        for (id, eras, tenant, position) in changes.chain(delete_alls) {
            let spans = Eras { sent: eras.first_sent, ..eras };
            if observed.put_backs.iter().any(|it| it.may_lose(spans)) {
                former.twice.insert(id);
            }
            let may_be_lost = observed.put_backs.iter().any(|it| it.may_lose(eras));
            if may_be_lost {
                former.unkept.insert(id);
            }
            if may_be_lost && !by_id.contains_key(id) && !former.recorded.contains_key(id) {
                former.lost.insert(id);
                former.unknown.insert((tenant, position));
            }
        }
        former
    }

    /// Returns whether the store was never put back.
    pub(super) fn is_empty(&self) -> bool {
        self.put_backs.is_empty()
    }

    /// Returns whether a log has lost a change or a DELETE_ALL, as it may.
    pub(super) fn has_lost(&self, event_id: &str) -> bool {
        self.lost.contains(event_id)
    }

    /// Returns whether an event may have been another one before a loss.
    pub(super) fn may_have(&self, event_id: &str) -> bool {
        self.lost.contains(event_id) || self.twice.contains(event_id)
    }

    /// Returns the position of an event, given that of its acknowledgement: it may have been lost, and
    /// appended again by a request that its client had given up.
    pub(super) fn position(&self, event_id: &str, told: u64) -> u64 {
        let recorded = self.recorded.get(event_id).filter(|_| self.unkept.contains(event_id));
        recorded.copied().unwrap_or(told)
    }

    /// Returns whether a position may be that of an event that has left the log.
    pub(super) fn may_lack(&self, tenant: &str, position: u64) -> bool {
        self.unknown.contains(&(tenant, position))
    }

    /// Returns whether `restore` has told that a record is only in Kafka.
    pub(super) fn is_told(&self, record: &Record) -> bool {
        self.told.contains(&(record.topic.as_str(), record.partition, record.offset))
    }

    /// Returns the place of a log's id in their order.
    pub(super) fn rank(&self, log_id: Option<&str>) -> usize {
        log_id.and_then(|log_id| self.ranks.get(log_id)).copied().unwrap_or_default()
    }

    /// Returns the place of the id under which the event at a position is published last.
    pub(super) fn rank_at(&self, tenant: &str, position: u64) -> usize {
        let mut repairs = self.repairs(tenant).rev();
        repairs.find(|(_, it)| it.common < position).map_or(0, |(rank, _)| *rank)
    }

    /// Returns how many events of a tenant were to be published again.
    pub(super) fn again(&self, tenant: &str) -> u64 {
        self.repairs(tenant).map(|(_, it)| it.again).sum()
    }

    /// Returns the last position of a tenant up to which its log and Kafka were the same.
    pub(super) fn common(&self, tenant: &str) -> u64 {
        self.repairs(tenant).map(|(_, it)| it.common).max().unwrap_or_default()
    }

    /// Returns the position up to which a tenant's log has what it had before the store was put back
    /// for a time, given the number of the times before that.
    pub(super) fn lasting(&self, tenant: &str, before: usize) -> u64 {
        let kept = |it: &PutBack| {
            it.restored.iter().find(|it| it.tenant == tenant).map_or(0, |it| it.common)
        };
        self.put_backs.iter().skip(before).map(kept).min().unwrap_or(u64::MAX)
    }

    fn repairs(&self, tenant: &str) -> impl DoubleEndedIterator<Item = &(usize, &'a Restored)> {
        self.restored.get(tenant).into_iter().flatten()
    }
}
