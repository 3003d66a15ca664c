//! A consumer group by Kafka's classic protocol: who its members are, and which generation of them
//! has which assignment.
//!
//! `coordinator` keeps one of each group, gives it the members' requests with the time, and sends
//! the answers that it returns. What is assigned, and how, is the clients' business: here those are
//! bytes. Always true: a generation has one leader, no member has an assignment before the leader
//! has given it, and who is not in the present generation commits nothing. No I/O.
//!
//! ```text
//!            a member joins              all have joined, or time is up
//!   Empty ─────────────────► Joining ──────────────────────────────────► Syncing
//!     ▲                       ▲  ▲                                          │ the leader assigns
//!     │ the last one leaves   │  └── one joins, leaves or is silent ─ Stable ◄┘
//!     └───────────────────────┘
//! ```

mod member;
mod saved;
mod size;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub(super) use member::{Client, Member, Protocol};
pub(super) use saved::{Saved, Summary};
use size::BYTES_MAX;

/// The time for which a group without members waits for more of them after the first one has come,
/// so that those that start together share one rebalance.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The most members of a group.
const MEMBERS_MAX: usize = 1_000;
/// The most protocols that a member speaks.
const PROTOCOLS_MAX: usize = 32;
/// The legal session time-outs.
const SESSION_MIN: Duration = Duration::from_millis(500);
const SESSION_MAX: Duration = Duration::from_mins(30);

/// The reason why a group refuses a request, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The generation is not the present one.
    IllegalGeneration,
    /// The member speaks no protocol that all others speak.
    InconsistentProtocol,
    /// The group has no such member.
    UnknownMember,
    /// The session time-out is out of bounds.
    InvalidSession,
    /// The group is about to have another generation.
    Rebalancing,
    /// A new member joins with the id that it is given.
    MemberIdRequired,
    /// The group has as many members as it may have, or they say as much as may be held.
    Full,
    /// The store has as many groups as it may have.
    TooMany,
    /// Another member has the same instance id now.
    Fenced,
    /// The group's state could not be saved, or another replica has the group now.
    Unavailable,
}

/// A request to join.
#[derive(Debug, Clone)]
pub(super) struct Join {
    /// The member's id; empty if it has none yet.
    pub(super) member_id: String,
    /// The name of a member that keeps its assignment over a restart.
    pub(super) instance: Option<String>,
    /// The client that asks.
    pub(super) client: Client,
    /// The longest silence of the member.
    pub(super) session: Duration,
    /// The longest time that the member needs to join again.
    pub(super) rebalance: Duration,
    /// The type of the protocols, such as `consumer`.
    pub(super) protocol_type: String,
    /// The protocols that the member speaks, the one it likes best first.
    pub(super) protocols: Vec<Protocol>,
    /// Whether a new member must join twice, so that its id is known if its connection is lost.
    pub(super) needs_known_id: bool,
}

/// The answer for a member that has joined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Joined {
    /// The generation.
    pub(super) generation: i32,
    /// The protocol's type.
    pub(super) protocol_type: String,
    /// The protocol that all members speak.
    pub(super) protocol: String,
    /// The id of the leader.
    pub(super) leader: String,
    /// The member's own id.
    pub(super) member_id: String,
    /// For the leader, the members: id, instance and what each has said in the protocol.
    pub(super) members: Vec<(String, Option<String>, Bytes)>,
}

/// An answer for a request that has waited, or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The member has joined.
    Joined(Box<Joined>),
    /// The member's assignment, with the protocol's type and name.
    Assigned(Bytes, String, String),
    /// The member has a new id, with which it joins again.
    IdGiven(String),
    /// The request is refused.
    Refused(Refusal),
}

/// Requests with their answers; `R` names a request to whoever sends the answer.
pub(super) type Answers<R> = Vec<(R, Answer)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Empty,
    /// Until then members may join; `is_first` if all of that time is waited for.
    Joining {
        until: Instant,
        is_first: bool,
    },
    /// Until then the leader may assign.
    Syncing {
        until: Instant,
    },
    Stable,
}

/// A group.
#[derive(Debug)]
pub(super) struct Group<R> {
    phase: Phase,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member<R>>,
    /// Ids that were given, until their members join with them.
    given: BTreeMap<String, Instant>,
    empty_since_ms: Option<i64>,
}

impl<R> Default for Group<R> {
    fn default() -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            given: BTreeMap::new(),
            empty_since_ms: None,
        }
    }
}

impl<R> Group<R> {
    /// Takes a request to join. `id` is one that nobody has.
    pub(super) fn join(&mut self, join: Join, id: &str, request: R, now: Instant) -> Answers<R> {
        match self.admit(join, id, now) {
            Ok(Admitted::Waits(id)) => {
                let member = self.members.get_mut(&id).expect("it was admitted");
                let mut answers = Vec::new();
                if let Some(earlier) = member.joins.replace(request) {
                    answers.push((earlier, Answer::Refused(Refusal::UnknownMember)));
                }
                answers.extend(self.go_on(now));
                answers
            }
            Ok(Admitted::At(joined)) => vec![(request, Answer::Joined(joined))],
            Ok(Admitted::Given(id)) => vec![(request, Answer::IdGiven(id))],
            Err(refusal) => vec![(request, Answer::Refused(refusal))],
        }
    }

    /// Takes a member's request for its assignment; the leader's has the assignments of all.
    pub(super) fn sync(
        &mut self,
        member: &Named<'_>,
        assignments: Vec<(String, Bytes)>,
        request: R,
        now: Instant,
    ) -> Answers<R> {
        let refused = |refusal| Answer::Refused(refusal);
        if let Err(refusal) = self.check(member, now) {
            return vec![(request, refused(refusal))];
        }
        let id = member.id.to_owned();
        match self.phase {
            Phase::Empty => vec![(request, refused(Refusal::UnknownMember))],
            Phase::Joining { .. } => vec![(request, refused(Refusal::Rebalancing))],
            Phase::Stable => vec![(request, self.assigned(&id))],
            Phase::Syncing { .. } => {
                if self.size_assigned(&id, &assignments) > BYTES_MAX {
                    return vec![(request, refused(Refusal::Full))];
                }
                let waiting = self.members.get_mut(&id).expect("it was checked");
                let earlier = waiting.syncs.replace(request);
                let mut answers: Vec<_> =
                    earlier.map(|it| (it, refused(Refusal::UnknownMember))).into_iter().collect();
                if id == self.leader {
                    answers.extend(self.assign(assignments, now));
                }
                answers
            }
        }
    }

    /// Takes a sign of life.
    pub(super) fn heartbeat(&mut self, member: &Named<'_>, now: Instant) -> Result<(), Refusal> {
        self.check(member, now)?;
        match self.phase {
            Phase::Joining { .. } => Err(Refusal::Rebalancing),
            _ => Ok(()),
        }
    }

    /// Decides whether somebody may commit: a member of the present generation, or anybody by no
    /// name while the group is empty.
    pub(super) fn may_commit(&mut self, member: &Named<'_>, now: Instant) -> Result<(), Refusal> {
        if member.generation < 0 && member.id.is_empty() {
            let is_free = self.members.is_empty();
            return is_free.then_some(()).ok_or(Refusal::UnknownMember);
        }
        self.check(member, now)?;
        match self.phase {
            Phase::Syncing { .. } => Err(Refusal::Rebalancing),
            _ => Ok(()),
        }
    }

    /// Lets a member go that is named by its id, or by its instance alone.
    pub(super) fn leave(
        &mut self,
        id: &str,
        instance: Option<&str>,
        now: Instant,
    ) -> Result<Answers<R>, Refusal> {
        if self.given.remove(id).is_some() {
            return Ok(self.go_on(now));
        }
        let id = match instance {
            None => id.to_owned(),
            Some(instance) => {
                let found = self.of_instance(instance).ok_or(Refusal::UnknownMember)?;
                if !id.is_empty() && found != id {
                    return Err(Refusal::Fenced);
                }
                found
            }
        };
        if !self.members.contains_key(&id) {
            return Err(Refusal::UnknownMember);
        }
        Ok(self.remove(&[id], now))
    }

    /// Returns when it has to look at the time again.
    pub(super) fn wakes(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Joining { until, .. } | Phase::Syncing { until } => Some(until),
            Phase::Empty | Phase::Stable => None,
        };
        let silent = self.members.values().filter_map(Member::silent_at);
        phase.into_iter().chain(silent).chain(self.given.values().copied()).min()
    }

    /// Does what is due at this time: lets silent members go, and ends what has waited long enough.
    pub(super) fn tick(&mut self, now: Instant) -> Answers<R> {
        self.given.retain(|_, until| *until > now);
        let silent = self.members.iter().filter(|(_, member)| member.is_silent(now));
        let silent: Vec<_> = silent.map(|(id, _)| id.clone()).collect();
        let mut answers = self.remove(&silent, now);
        match self.phase {
            Phase::Joining { until, .. } if until <= now => answers.extend(self.complete(now)),
            Phase::Syncing { until } if until <= now => {
                let late = self.members.iter().filter(|(_, member)| member.syncs.is_none());
                let late: Vec<_> = late.map(|(id, _)| id.clone()).collect();
                answers.extend(self.remove(&late, now));
            }
            _ => answers.extend(self.go_on(now)),
        }
        answers
    }

    /// Begins another generation: what the present one has could not be saved.
    pub(super) fn begin_again(&mut self, now: Instant) -> Answers<R> {
        if self.members.is_empty() { Vec::new() } else { self.rebalance(now) }
    }

    /// Returns whether the group has no members and waits for none.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.given.is_empty()
    }

    /// Returns the present generation.
    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    /// Returns the type of the protocols that the members speak.
    pub(super) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// Returns the protocol of the present generation; none while there is no generation.
    pub(super) fn protocol(&self) -> &str {
        match self.phase {
            Phase::Empty | Phase::Joining { .. } => "",
            Phase::Syncing { .. } | Phase::Stable => &self.protocol,
        }
    }

    /// Returns the name that Kafka has for the group's state.
    pub(super) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Joining { .. } => "PreparingRebalance",
            Phase::Syncing { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    /// Returns the members with their ids.
    pub(super) fn members(&self) -> impl Iterator<Item = (&String, &Member<R>)> {
        self.members.iter()
    }

    /// Checks that somebody is a member of the present generation; this is a sign of life.
    fn check(&mut self, named: &Named<'_>, now: Instant) -> Result<(), Refusal> {
        self.refuse_fenced(named.id, named.instance)?;
        let member = self.members.get_mut(named.id).ok_or(Refusal::UnknownMember)?;
        if named.generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        member.heard(now);
        Ok(())
    }

    /// Refuses the former member of an instance that another one is now.
    fn refuse_fenced(&self, id: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let Some(instance) = instance else { return Ok(()) };
        match self.of_instance(instance) {
            None => Err(Refusal::UnknownMember),
            Some(present) if present != id => Err(Refusal::Fenced),
            Some(_) => Ok(()),
        }
    }

    /// Returns the client of a member that is named by its id, or by its instance alone.
    pub(super) fn client(&self, id: &str, instance: Option<&str>) -> Option<&Client> {
        let named = instance.and_then(|instance| self.of_instance(instance));
        self.members.get(named.as_deref().unwrap_or(id)).map(|member| &member.client)
    }

    /// Returns the id of the member that is an instance.
    fn of_instance(&self, instance: &str) -> Option<String> {
        let mut all = self.members.iter();
        all.find(|(_, it)| it.instance.as_deref() == Some(instance)).map(|(id, _)| id.clone())
    }

    fn assigned(&self, id: &str) -> Answer {
        let assignment = self.members.get(id).map(|it| it.assignment.clone()).unwrap_or_default();
        Answer::Assigned(assignment, self.protocol_type.clone(), self.protocol.clone())
    }
}

/// Somebody who says that it is a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// The member's id.
    pub(super) id: &'a str,
    /// The name of its instance, if it has one.
    pub(super) instance: Option<&'a str>,
    /// The generation that it believes in.
    pub(super) generation: i32,
}

/// How a request to join goes on.
enum Admitted {
    /// It waits for the others.
    Waits(String),
    /// The present generation stays.
    At(Box<Joined>),
    /// The member has an id now, and joins again with it.
    Given(String),
}

mod transitions;

#[cfg(test)]
mod tests;
