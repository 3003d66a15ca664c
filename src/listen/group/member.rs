//! The members of a group: what each has said, and when it was last heard of.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// A protocol that a member speaks: its name, and what the member says in it.
pub(in crate::listen) type Protocol = (String, Bytes);

/// The names by which people know a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::listen) struct Client {
    /// The name that the client gives itself.
    pub(in crate::listen) id: String,
    /// The address that it comes from.
    pub(in crate::listen) host: String,
}

/// A member of a group.
#[derive(Debug)]
pub(in crate::listen) struct Member<R> {
    /// The name with which it keeps its assignment over a restart.
    pub(in crate::listen) instance: Option<String>,
    /// The names by which people know it.
    pub(in crate::listen) client: Client,
    /// The assignment of the present generation.
    pub(in crate::listen) assignment: Bytes,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) protocols: Vec<Protocol>,
    /// The request that waits for the others to join.
    pub(super) joins: Option<R>,
    /// The request that waits for the leader to assign.
    pub(super) syncs: Option<R>,
    pub(super) heard: Instant,
}

impl<R> Member<R> {
    /// Returns what it says in a protocol.
    pub(in crate::listen) fn says(&self, protocol: &str) -> Bytes {
        let mut all = self.protocols.iter();
        all.find(|(name, _)| name == protocol).map(|(_, said)| said.clone()).unwrap_or_default()
    }

    /// Notes a sign of life.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Returns when it counts as gone unless it is heard of. One whose request waits has nothing to
    /// say.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        let waits = self.joins.is_some() || self.syncs.is_some();
        (!waits).then(|| self.heard + self.session)
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_at().is_some_and(|at| at <= now)
    }
}
