//! A batch that waits for its commit, and the answer to it.
//!
//! `group_commit` makes jobs; they come through `queue` to a `writer`, which answers them.

use tokio::sync::oneshot;

use super::error::Error;
use crate::domain::draft::Draft;
use crate::shares::Share;
use crate::store::{Batch, Outcome};

/// The outcome of a batch, and its drafts.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) drafts: Vec<Draft>,
}

/// A batch that waits for its commit.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<Answer, Error>>,
    /// The batch's bytes, until it is answered.
    pub(super) share: Share,
    /// The batch's place in the queue, until its commit begins.
    pub(super) place: Share,
}
