//! The coordinator: the groups of Kafka clients that this replica has, with their members and their
//! places.
//!
//! The handlers call it. A group is taken when somebody first asks its coordinator for it
//! (`listeners`): its row in the store says who has it, and what its members were assigned.
//! Whatever a group comes to is saved before its members are told. If another replica has taken the
//! group meanwhile, this one lets it go, and its commits are refused (`places`).

mod bounds;
mod expiry;
mod look;

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, OnceCell, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::group::{Answer, Answers, Client, Group, Join, Named, Refusal};
use super::group_metrics::GroupMetrics;
use super::listeners::Listeners;
use super::places::Places;
use crate::clock::Clock;
use crate::domain::subscription;
use crate::metrics::Metrics;
use crate::shares::Share;
use crate::store::{Error, KafkaGroup, Store};
use bounds::Bounds;

pub(super) use take::Absent;

/// How often the places of a group with members are held for another while.
const HOLD_EVERY: Duration = Duration::from_secs(20);
/// The pause after a group could not be saved.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// The time after which a group without members is forgotten, until somebody asks for it again.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);
/// The longest time for which a request waits for its group, beyond what its members wait for.
const ANSWER_WITHIN: Duration = Duration::from_mins(40);

/// The scope of a group (a tenant, or all of them), and its name.
pub(super) type Name = (String, subscription::Group);

/// Groups by name. One that is being taken has no value yet.
type Groups = HashMap<Name, Arc<OnceCell<Arc<Coordinated>>>>;

/// The digest of a group's state.
type Digest = [u8; 32];

/// The groups that this replica has.
pub(super) struct Coordinator {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    listeners: Arc<Listeners>,
    groups: Mutex<Groups>,
    bounds: Bounds,
    closing: CancellationToken,
}

/// A group that this replica has.
pub(super) struct Coordinated {
    store: Arc<dyn Store>,
    bounds: Bounds,
    inner: tokio::sync::Mutex<Inner>,
    /// Told when the group has another time to look at.
    changed: Notify,
    /// Cancelled once the group is another replica's, or nobody's.
    gone: CancellationToken,
}

struct Inner {
    group: Group<oneshot::Sender<Answer>>,
    /// The row as the store has it, without the state, whose text is longer than the members that
    /// it tells of.
    row: KafkaGroup,
    /// The digest of the state.
    saved: Digest,
    places: Places,
    metrics: GroupMetrics,
    /// The bytes that its members hold.
    share: Share<String>,
    held: Instant,
    /// Since when it has no members.
    idle: Instant,
    /// When it may be saved again, after that has failed.
    again: Instant,
}

impl Coordinator {
    /// Makes the coordinator of a run of a replica.
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        listeners: Arc<Listeners>,
        closing: CancellationToken,
    ) -> Self {
        let (groups, bounds) = (Mutex::default(), Bounds::default());
        Self { store, clock, metrics, listeners, groups, bounds, closing }
    }

    /// Returns a new id of a member.
    pub(super) fn member_id(&self, client: &str) -> String {
        let id: Uuid = self.clock.new_id();
        let name: String = client.chars().take(64).collect();
        format!("{name}-{id}")
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinated {
    /// Lets a member join, and waits until all have.
    pub(super) async fn join(&self, join: Join, id: &str) -> Answer {
        let mut inner = self.inner.lock().await;
        let size = inner.group.size_joined(&join, id);
        let may_be_stored = self.check_stored(&inner.row).await;
        match may_be_stored.and_then(|()| inner.make_space(size)) {
            Ok(()) => self.ask(inner, |group, by, now| group.join(join, id, by, now)).await,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Asks for a member's assignment, and waits until the leader has given it.
    pub(super) async fn sync(&self, named: &Named<'_>, all: Vec<(String, Bytes)>) -> Answer {
        let mut inner = self.inner.lock().await;
        let size = inner.group.size_assigned(named.id, &all);
        match inner.make_space(size) {
            Ok(()) => self.ask(inner, |group, by, now| group.sync(named, all, by, now)).await,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Takes a sign of life.
    pub(super) async fn heartbeat(&self, named: &Named<'_>) -> Result<(), Refusal> {
        let mut inner = self.inner.lock().await;
        self.refuse_gone()?;
        inner.group.heartbeat(named, Instant::now())
    }

    /// Returns the client of a member.
    pub(super) async fn client(&self, id: &str, instance: Option<&str>) -> Option<Client> {
        self.inner.lock().await.group.client(id, instance).cloned()
    }

    /// Lets a member go.
    pub(super) async fn leave(&self, id: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let mut inner = self.inner.lock().await;
        self.refuse_gone()?;
        let answers = inner.group.leave(id, instance, Instant::now())?;
        self.tell(&mut inner, answers).await;
        Ok(())
    }

    /// Lets somebody commit who may: `commit` gets the places, and whether a member commits.
    pub(super) async fn commit<T>(
        &self,
        named: &Named<'_>,
        commit: impl AsyncFnOnce(&mut Places, bool) -> T,
    ) -> Result<T, Refusal> {
        let mut inner = self.inner.lock().await;
        self.refuse_gone()?;
        inner.group.may_commit(named, Instant::now())?;
        self.check_stored(&inner.row).await?;
        if inner.row.version == 0 && !self.save(&mut inner).await {
            return Err(Refusal::Unavailable);
        }
        let has_members = !inner.group.is_empty();
        Ok(commit(&mut inner.places, has_members).await)
    }

    /// Lets somebody read where the group stands, who is told whether it has members.
    pub(super) async fn places<T>(
        &self,
        read: impl AsyncFnOnce(&mut Places, bool) -> T,
    ) -> Result<T, Refusal> {
        let mut inner = self.inner.lock().await;
        self.refuse_gone()?;
        let has_members = !inner.group.is_empty();
        Ok(read(&mut inner.places, has_members).await)
    }

    /// Removes the group, with its places in each tenant's topics, unless it has members. Returns
    /// whether it had none.
    pub(super) async fn remove<T>(
        &self,
        forget: impl AsyncFnOnce(&mut Places) -> Result<T, Error>,
    ) -> Result<bool, Error> {
        let mut inner = self.inner.lock().await;
        if !inner.group.is_empty() {
            return Ok(false);
        }
        forget(&mut inner.places).await?;
        let KafkaGroup { scope, group, version, .. } = &inner.row;
        if *version > 0 {
            self.store.remove_kafka_group(scope, group, *version).await?;
        }
        self.gone.cancel();
        Ok(true)
    }

    /// Gives the group a request, and waits for its answer.
    async fn ask(
        &self,
        mut inner: tokio::sync::MutexGuard<'_, Inner>,
        give: impl FnOnce(
            &mut Group<oneshot::Sender<Answer>>,
            oneshot::Sender<Answer>,
            Instant,
        ) -> Answers<oneshot::Sender<Answer>>,
    ) -> Answer {
        if self.gone.is_cancelled() {
            return Answer::Refused(Refusal::Unavailable);
        }
        let (request, answered) = oneshot::channel();
        let answers = give(&mut inner.group, request, Instant::now());
        self.tell(&mut inner, answers).await;
        drop(inner);
        let gone = Answer::Refused(Refusal::Unavailable);
        tokio::select! {
            biased;
            answer = timeout(ANSWER_WITHIN, answered) => match answer {
                Ok(answer) => answer.unwrap_or(gone),
                Err(_) => gone,
            },
            // Whoever has the group now knows nothing of the request.
            () = self.gone.cancelled() => gone,
        }
    }

    /// Saves what the group has come to, and sends the answers.
    async fn tell(&self, inner: &mut Inner, mut answers: Answers<oneshot::Sender<Answer>>) {
        let is_saved = inner.is_saved() || self.save(inner).await;
        if !is_saved {
            refuse(answers);
            answers = inner.group.begin_again(Instant::now());
            inner.again = Instant::now() + SAVE_AGAIN;
        }
        inner.settle();
        let Inner { metrics, row, group, .. } = &mut *inner;
        metrics.update(&row.group, group, is_saved, self.gone.is_cancelled());
        if inner.group.is_empty() {
            inner.idle = Instant::now();
            self.hold(inner, false).await;
        }
        for (request, answer) in answers {
            // Who asked may be gone; its session ends in time.
            let _ = request.send(answer);
        }
        self.changed.notify_one();
    }

    /// Saves the group. Returns whether it is saved; if another replica has it now, this one lets
    /// it go.
    async fn save(&self, inner: &mut Inner) -> bool {
        let saved = inner.group.save();
        let (summary, state) = (saved.summary().as_column(), saved.as_column());
        let row = KafkaGroup { summary, state, ..inner.row.clone() };
        match self.store.write_kafka_group(&row).await {
            Ok(true) => {
                inner.saved = digest(&row.state);
                inner.row = KafkaGroup { version: row.version + 1, state: String::new(), ..row };
                inner.places.note_saved();
                true
            }
            Ok(false) => {
                self.gone.cancel();
                false
            }
            Err(error) => {
                let group = &inner.row.group;
                tracing::warn!(%group, %error, "failed to save a group; its members join again");
                false
            }
        }
    }

    /// Does what is due as time goes on.
    async fn tick(this: Weak<Self>, gone: CancellationToken) {
        loop {
            let Some(group) = this.upgrade() else { return };
            let wakes = group.due().await;
            if gone.is_cancelled() {
                return;
            }
            let changed = group.changed.notified();
            let due = async {
                match wakes {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = due => {}
                () = gone.cancelled() => return,
            }
        }
    }

    /// Does what is due; returns when something is due next.
    async fn due(&self) -> Option<Instant> {
        let mut inner = self.inner.lock().await;
        let now = Instant::now();
        let answers = inner.group.tick(now);
        inner.settle();
        let is_saved = inner.is_saved();
        if !answers.is_empty() || !is_saved && inner.again <= now {
            self.tell(&mut inner, answers).await;
        }
        let has_members = !inner.group.is_empty();
        if inner.held + HOLD_EVERY <= now {
            inner.held = now;
            self.hold(&mut inner, has_members).await;
        }
        if !has_members && inner.idle + FORGOTTEN_AFTER <= now {
            self.gone.cancel();
        }
        let next = if has_members { inner.held + HOLD_EVERY } else { inner.idle + FORGOTTEN_AFTER };
        let again = (inner.again > Instant::now()).then_some(inner.again);
        inner.group.wakes().into_iter().chain([next]).chain(again).min()
    }

    /// Keeps readers over HTTP away for another while, or lets them in.
    async fn hold(&self, inner: &mut Inner, held: bool) {
        if let Err(error) = inner.places.hold(&*self.store, held).await {
            let group = &inner.row.group;
            tracing::debug!(%group, ?error, "failed to hold a group's places");
        }
    }

    fn refuse_gone(&self) -> Result<(), Refusal> {
        if self.gone.is_cancelled() { Err(Refusal::Unavailable) } else { Ok(()) }
    }
}

impl Inner {
    /// Returns whether the store has the group as it is.
    fn is_saved(&self) -> bool {
        self.saved == digest(&self.group.save().as_column())
    }
}

fn digest(state: &str) -> Digest {
    Sha256::digest(state).into()
}

fn refuse(answers: Answers<oneshot::Sender<Answer>>) {
    let refused = || Answer::Refused(Refusal::Unavailable);
    answers.into_iter().for_each(|(request, _)| drop(request.send(refused())));
}

mod take;

#[cfg(test)]
mod tests;
