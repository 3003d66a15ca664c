//! Submission of erasures, and what is known of one: which sinks it waits for, and which topics
//! hold the record still.
//!
//! `http` and the subcommands call it. Whoever submits finds the record's topics by the settings
//! and by the topics that were noted at each start, so that a topic that has another name by now is
//! erased too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::waits_for;
use crate::clock::Clock;
use crate::domain::erasure::{Erasure, ErasureId, ErasureRequest, Progress};
use crate::domain::event::EventType;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::settings::{Settings, Unknown};
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::{Topic, TopicSpec};
use crate::domain::trail::TrailEntry;
use crate::follow::store;
use crate::store::{Store, TenantLog, TopicRange};

/// The reason why an erasure was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant is not enabled.
    #[error("tenant `{0}` is not enabled")]
    NotEnabled(TenantId),
    /// The tenant never had such an entity or process event.
    #[error(transparent)]
    Unknown(Unknown),
}

/// An erasure that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is new.
    New(Erasure),
    /// The record has this one already, which has not come to its ERASED events: it takes whatever
    /// the log has now.
    InProgress(Erasure),
}

/// An erasure, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The erasure.
    pub erasure: Erasure,
    /// The sinks that have not passed it.
    pub waits_for: Vec<Follower>,
    /// The topics that may hold the record still.
    pub held_by: Vec<HeldBy>,
    /// Whether it has erased an event, or still has one to erase.
    pub has_events: bool,
}

/// Returns the entry of an erasure, which names the record.
pub(in crate::follow) fn about(erasure: &Erasure, by: &TrailEntry) -> TrailEntry {
    let Erasure { id, subject, key, reason, .. } = erasure;
    by.on(format!("{id} of {}/{key}", subject.as_str())).because(Some(reason))
}

impl Outlook {
    /// Returns a warning for who has asked for an erasure that erases no event.
    pub fn warning(&self) -> Option<String> {
        let (producer, name) = self.erasure.subject.parts();
        let key = &self.erasure.key;
        (!self.has_events).then(|| {
            format!("the log has no event of {producer}.{name} with the key `{key}` and content")
        })
    }
}

/// A topic that may hold a record that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The topic.
    pub topic: Topic,
    /// The time until which it may hold it: `None` for ever, or until it is compacted.
    pub until: Option<Time>,
    /// Whether the topic keeps the last record of each key alone.
    pub compacted: bool,
}

/// The parts that erasures need.
#[derive(Clone)]
pub struct ErasureDeps {
    /// The logs.
    pub store: Arc<dyn Store>,
    /// The tenants' settings, which name each entity's topic.
    pub settings: Arc<Settings>,
    /// The followers of the configured sinks.
    pub sinks: Vec<Follower>,
    /// This host's time, and the source of new ids.
    pub clock: Arc<dyn Clock>,
}

impl ErasureDeps {
    /// Submits an erasure. One replica carries it out, once it notices.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        request: &ErasureRequest,
        by: &TrailEntry,
    ) -> Result<Submitted, NotSubmitted> {
        let log = self.log(tenant).await?;
        if !log.is_enabled {
            return Err(NotSubmitted::NotEnabled(tenant.clone()));
        }
        let (subject, topics) = self.subject(tenant, request).await?;
        let erasure = Erasure {
            id: ErasureId::new(self.clock.new_id()),
            tenant: tenant.clone(),
            subject,
            key: request.key.clone(),
            reason: request.reason.clone(),
            topics,
            submitted: self.clock.now(),
            progress: Progress::default(),
        };
        let by = about(&erasure, by);
        loop {
            if self.store.add_erasure(&erasure, Some(&by)).await? {
                return Ok(Submitted::New(erasure));
            }
            let all = self.store.erasures(tenant).await?;
            let is_its = |it: &Erasure| {
                it.progress.last.is_none()
                    && (&it.subject, &it.key) == (&erasure.subject, &erasure.key)
            };
            // It may have appended them meanwhile, or the tenant's purge has begun.
            if let Some(open) = all.into_iter().find(is_its) {
                return Ok(Submitted::InProgress(open));
            }
            self.log(tenant).await?;
        }
    }

    /// Returns what follows from an erasure.
    pub async fn outlook(&self, erasure: Erasure) -> Result<Outlook, NotSubmitted> {
        let enabled = self.log(&erasure.tenant).await?;
        let waits_for = match erasure.progress.completed {
            Some(_) => Vec::new(),
            None => waits_for(&*self.store, &self.sinks, &enabled, &erasure).await?,
        };
        let held_by = self.held_by(&erasure).await?;
        let has_events = self.has_events(&erasure).await?;
        Ok(Outlook { erasure, waits_for, held_by, has_events })
    }

    /// Returns whether an erasure has erased an event, or still has one to erase.
    async fn has_events(&self, erasure: &Erasure) -> Result<bool, store::Error> {
        let Erasure { id, tenant, key, topics, progress, .. } = erasure;
        if progress.events > 0 || progress.last.is_some() {
            return Ok(progress.events > 0);
        }
        for topic in topics {
            let range = TopicRange::after(tenant.clone(), topic.clone(), Position::START);
            let newest = self.store.newest_of_keys(&range, std::slice::from_ref(key), 1).await?;
            if newest.iter().any(|event| event.event_type != EventType::Erased.as_str()) {
                return Ok(true);
            }
        }
        // It may have emptied them since it was read.
        let now = self.store.find_erasure(tenant, *id).await?;
        Ok(now.is_some_and(|now| now.progress.events > 0))
    }

    /// Returns the topics that a record was published to, by relay or replay: each holds it at most
    /// as long as it keeps records, counted from the erasure's completion.
    async fn held_by(&self, erasure: &Erasure) -> Result<Vec<HeldBy>, store::Error> {
        if !self.sinks.contains(&Follower::relay()) {
            return Ok(Vec::new());
        }
        let tenant = &erasure.tenant;
        let spec = |topic: &Topic| self.settings.spec(tenant, topic);
        let mut specs: BTreeMap<Topic, TopicSpec> =
            erasure.topics.iter().map(|topic| (topic.clone(), spec(topic))).collect();
        let topics: BTreeSet<_> = erasure.topics.iter().collect();
        for replay in self.store.replays(tenant).await? {
            let Some(target) = replay.plan.target else { continue };
            let is_before = erasure.progress.last.is_none_or(|last| replay.plan.after < last);
            if is_before && replay.plan.topics.iter().any(|topic| topics.contains(topic)) {
                specs.insert(target.topic.clone(), target.spec());
            }
        }
        let since = erasure.progress.completed.unwrap_or_else(|| self.clock.now());
        let held_by = specs.into_values().map(|spec| HeldBy {
            until: (spec.retention_ms >= 0 && !spec.compacted)
                .then(|| since.after(spec.retention_ms)),
            compacted: spec.compacted,
            topic: spec.topic,
        });
        Ok(held_by.collect())
    }

    async fn log(&self, tenant: &TenantId) -> Result<TenantLog, NotSubmitted> {
        self.store
            .find_tenant(tenant)
            .await?
            .ok_or_else(|| NotSubmitted::NotEnabled(tenant.clone()))
    }

    /// Returns the subject of a request, and every topic that it has had.
    async fn subject(
        &self,
        tenant: &TenantId,
        request: &ErasureRequest,
    ) -> Result<(Subject, Vec<Topic>), NotSubmitted> {
        let ErasureRequest { producer, name, .. } = request;
        let named = self.settings.subject(tenant, producer, name);
        let subject = match &named {
            Ok((subject, _)) => subject.clone(),
            Err(_) => Subject::new(producer, name),
        };
        let mut topics = self.store.topics_of(tenant, &subject).await?;
        match named {
            Ok((_, topic)) if !topics.contains(&topic) => topics.push(topic),
            Ok(_) => {}
            Err(unknown) if topics.is_empty() => return Err(NotSubmitted::Unknown(unknown)),
            Err(_) => {}
        }
        Ok((subject, topics))
    }
}
