//! One writer: appends what waits in one commit, answers, wakes.
//!
//! Fed by its `queue` with a group of batches after the other; feeds the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Wake;
use super::queue::{Job, Queue};
use crate::store::{Batch, Error, Outcome, Store};

/// How often a commit of unknown outcome is asked for again, and how long before the first time.
const ASK_AGAIN_MAX: u32 = 6;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Runs until the queue is closed and empty.
pub(super) async fn run(mut queue: Queue, store: Arc<dyn Store>, wake: Wake) {
    while let Some(group) = queue.group().await {
        commit(group, &store, &wake).await;
    }
}

async fn commit(group: Vec<Job>, store: &Arc<dyn Store>, wake: &Wake) {
    let (mut batches, mut replies) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
    for Job { batch, reply, share } in group {
        batches.push(batch);
        replies.push((reply, share));
    }
    match append(&batches, store).await {
        Ok(outcomes) => {
            wake_lanes(&outcomes, wake);
            // A client that is gone has no ear for its answer; its events are in the log all the same.
            replies.into_iter().zip(outcomes).for_each(|((reply, _), outcome)| drop(reply.send(Ok(outcome))));
        }
        Err(error) => {
            tracing::warn!(%error, batches = batches.len(), "failed to append");
            replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(error.clone()))));
        }
    }
}

/// Appends, and asks again while the outcome is unknown: the drafts have their ids, so a commit that
/// did happen answers with the receipts of then.
async fn append(batches: &[Batch], store: &Arc<dyn Store>) -> Result<Vec<Outcome>, Error> {
    let mut asked = 0;
    let mut after = ASK_AGAIN_AFTER;
    let mut outcome = store.append(batches).await;
    while let Err(Error::Unknown(why)) = &outcome {
        if asked == ASK_AGAIN_MAX {
            break;
        }
        tracing::warn!(%why, "asking again for a commit of unknown outcome");
        tokio::time::sleep(after).await;
        asked += 1;
        after *= 2;
        outcome = match store.append(batches).await {
            // The first commit may still have happened: only an answer ends the asking.
            Err(error) => Err(Error::Unknown(error.to_string())),
            answer => answer,
        };
    }
    outcome
}

fn wake_lanes(outcomes: &[Outcome], wake: &Wake) {
    let lanes: BTreeSet<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Appended { lane, .. } => Some(*lane),
            _ => None,
        })
        .collect();
    lanes.into_iter().for_each(|lane| wake(lane));
}
