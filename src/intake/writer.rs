//! One writer: it appends a group of batches in one commit, answers the clients and wakes those who
//! follow the logs.
//!
//! The writer's `queue` forms one group after the other. A group that fails while the store takes
//! writes is tried again by halves, so that a batch that the store refuses fails alone, and the
//! others are in the log.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::job::{Answer, Job};
use super::queue::Queue;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::metrics::Metrics;
use crate::store::{self, Batch, Outcome, Store};

/// The number of times that a commit of unknown outcome is appended again, and the pause before the
/// first time, which doubles.
const ASK_AGAIN_MAX: u32 = 6;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The time for which a failed group is tried by halves; the next group waits meanwhile.
const BISECT_WITHIN: Duration = Duration::from_secs(10);

/// Called with every tenant that has new events, and its lane.
pub type Wake = Arc<dyn Fn(&TenantId, Lane) + Send + Sync>;

/// Runs a writer until its queue is closed and empty.
pub(super) async fn run(
    mut queue: Queue,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    wake: Wake,
) {
    while let Some(group) = queue.group().await {
        let (batches, begun) = (group.len(), Instant::now());
        commit(group, &store, &wake).await;
        metrics.committed(batches, begun.elapsed());
    }
}

/// A part of a group that is appended whole.
struct Part {
    range: Range<usize>,
    /// Whether an append that contained it may have been committed.
    unknown: bool,
}

impl Part {
    fn halves(self) -> [Self; 2] {
        let Self { range: Range { start, end }, unknown } = self;
        let middle = start + (end - start) / 2;
        [start..middle, middle..end].map(|range| Self { range, unknown })
    }
}

#[tracing::instrument(level = "debug", skip_all, fields(batches = group.len()))]
async fn commit(group: Vec<Job>, store: &Arc<dyn Store>, wake: &Wake) {
    let (mut batches, mut replies) =
        (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
    for Job { batch, reply, share, place } in group {
        drop(place);
        batches.push(batch);
        replies.push(Some((reply, share)));
    }
    let mut bisection = Bisection::default();
    let mut parts = vec![Part { range: 0..batches.len(), unknown: false }];
    while let Some(mut part) = parts.pop() {
        let range = part.range.clone();
        let (batches, replies) = (&mut batches[range.clone()], &mut replies[range]);
        // A client that has left reads no answer; its events are in the log all the same.
        let answers = replies.iter_mut().filter_map(Option::take).map(|(reply, _share)| reply);
        match append(batches, part.unknown, store).await {
            Ok(outcomes) => {
                wake_followers(batches, &outcomes, wake);
                for ((reply, outcome), batch) in answers.zip(outcomes).zip(batches) {
                    let drafts = std::mem::take(&mut batch.drafts);
                    drop(reply.send(Ok(Answer { outcome, drafts })));
                }
            }
            Err(error) if batches.len() > 1 && bisection.goes_on(store).await => {
                drop(answers);
                tracing::warn!(%error, batches = batches.len(), "failed to append a group; trying \
                    its halves");
                part.unknown = matches!(error, store::Error::Unknown(_));
                // The first half is tried first, so that a tenant's batches keep their order.
                parts.extend(part.halves().into_iter().rev());
            }
            Err(error) => {
                let error = bisection.blamed(error, batches, store).await;
                answers.for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
        }
    }
}

/// The search that tells a store that fails from a batch that the store refuses.
#[derive(Default)]
struct Bisection {
    /// Set at the first failure: whether the store took a write then, and when to give up.
    begun: Option<(bool, Instant)>,
}

impl Bisection {
    async fn takes_writes(&mut self, store: &Arc<dyn Store>) -> (bool, Instant) {
        match self.begun {
            Some(begun) => begun,
            None => {
                let until = Instant::now() + BISECT_WITHIN;
                *self.begun.insert((store.check().await.is_ok(), until))
            }
        }
    }

    /// Returns whether to try the halves of a group that failed.
    async fn goes_on(&mut self, store: &Arc<dyn Store>) -> bool {
        let (takes_writes, until) = self.takes_writes(store).await;
        takes_writes && Instant::now() < until
    }

    /// Returns the error to answer: `Unstorable` if a store that takes writes refuses this one
    /// batch.
    async fn blamed(
        &mut self,
        error: store::Error,
        batches: &[Batch],
        store: &Arc<dyn Store>,
    ) -> Error {
        let lasts = matches!(error, store::Error::Refused(_) | store::Error::Corrupt(_));
        let [Batch { tenant, drafts }] = batches else {
            tracing::warn!(%error, batches = batches.len(), "failed to append a batch");
            return error.into();
        };
        if !lasts || !self.takes_writes(store).await.0 {
            tracing::warn!(%error, batches = 1, "failed to append a batch");
            return error.into();
        }
        let first = drafts.first().map(|draft| draft.event_id.to_string()).unwrap_or_default();
        tracing::error!(%tenant, first_event_id = first, %error, "the store takes other writes, \
            but refuses this batch");
        Error::Unstorable(error)
    }
}

/// Appends, and appends again while the outcome is unknown: the drafts have their ids, so if the
/// commit did happen, the store answers with its receipts. A part whose outcome is already
/// `unknown` is appended once.
async fn append(
    batches: &[Batch],
    unknown: bool,
    store: &Arc<dyn Store>,
) -> Result<Vec<Outcome>, store::Error> {
    let mut asked = if unknown { ASK_AGAIN_MAX } else { 0 };
    let mut after = ASK_AGAIN_AFTER;
    let mut outcome = again(batches, unknown, store).await;
    while let Err(store::Error::Unknown(why)) = &outcome {
        if asked == ASK_AGAIN_MAX {
            break;
        }
        tracing::warn!(%why, "appending again, since the outcome of the commit is unknown");
        tokio::time::sleep(after).await;
        asked += 1;
        after *= 2;
        outcome = again(batches, true, store).await;
    }
    outcome
}

/// Appends once. If an earlier commit may have happened, any error leaves the outcome unknown.
async fn again(
    batches: &[Batch],
    unknown: bool,
    store: &Arc<dyn Store>,
) -> Result<Vec<Outcome>, store::Error> {
    match store.append(batches).await {
        Err(error) if unknown => Err(store::Error::Unknown(error.to_string())),
        answer => answer,
    }
}

/// Wakes those who follow the logs that have grown, once for each log.
fn wake_followers(batches: &[Batch], outcomes: &[Outcome], wake: &Wake) {
    let grown: BTreeSet<_> = batches
        .iter()
        .zip(outcomes)
        .filter_map(|(batch, outcome)| match outcome {
            Outcome::Appended { lane, .. } => Some((*lane, &batch.tenant)),
            _ => None,
        })
        .collect();
    grown.into_iter().for_each(|(lane, tenant)| wake(tenant, lane));
}
