//! How a group comes from one generation to the next.

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Admitted, Answer, Answers, BYTES_MAX, FIRST_WAIT, Group, Join, Joined, MEMBERS_MAX, Member,
    PROTOCOLS_MAX, Phase, Refusal, SESSION_MAX, SESSION_MIN,
};

/// The most bytes of the type of a member's protocols.
const TYPE_BYTES_MAX: usize = 255;

impl<R> Group<R> {
    /// Decides about a request to join.
    pub(super) fn admit(
        &mut self,
        join: Join,
        id: &str,
        now: Instant,
    ) -> Result<Admitted, Refusal> {
        if join.session < SESSION_MIN || join.session > SESSION_MAX {
            return Err(Refusal::InvalidSession);
        }
        let has_many = join.protocols.len() > PROTOCOLS_MAX;
        if has_many || join.protocol_type.len() > TYPE_BYTES_MAX || !self.speaks(&join) {
            return Err(Refusal::InconsistentProtocol);
        }
        if self.size_joined(&join, id) > BYTES_MAX {
            return Err(Refusal::Full);
        }
        if join.member_id.is_empty() {
            return self.admit_new(join, id, now);
        }
        self.refuse_fenced(&join.member_id, join.instance.as_deref())?;
        if self.given.remove(&join.member_id).is_some() {
            let id = join.member_id.clone();
            return self.add(join, id, now);
        }
        self.admit_again(join, now)
    }

    /// Admits who has no id yet.
    fn admit_new(&mut self, join: Join, id: &str, now: Instant) -> Result<Admitted, Refusal> {
        if let Some(former) = join.instance.as_deref().and_then(|it| self.of_instance(it)) {
            return Ok(self.replace(&former, join, id, now));
        }
        if self.members.len() + self.given.len() >= MEMBERS_MAX {
            return Err(Refusal::Full);
        }
        if join.needs_known_id && join.instance.is_none() {
            self.given.insert(id.to_owned(), now + join.session);
            return Ok(Admitted::Given(id.to_owned()));
        }
        self.add(join, id.to_owned(), now)
    }

    /// Admits who is a member already: it joins anew if there is a reason to.
    fn admit_again(&mut self, join: Join, now: Instant) -> Result<Admitted, Refusal> {
        let id = join.member_id.clone();
        let member = self.members.get_mut(&id).ok_or(Refusal::UnknownMember)?;
        let says_the_same = member.protocols == join.protocols;
        member.heard(now);
        (member.session, member.rebalance) = (join.session, join.rebalance);
        (member.protocols, member.client) = (join.protocols, join.client);
        let stays = match self.phase {
            Phase::Empty => return Err(Refusal::UnknownMember),
            Phase::Joining { .. } => false,
            // The answer to its request may have been lost.
            Phase::Syncing { .. } => says_the_same,
            // A leader asks again if it has a reason to assign anew.
            Phase::Stable => says_the_same && id != self.leader,
        };
        if stays {
            return Ok(Admitted::At(Box::new(self.joined(&id))));
        }
        Ok(Admitted::Waits(id))
    }

    /// Adds a member.
    fn add(&mut self, join: Join, id: String, now: Instant) -> Result<Admitted, Refusal> {
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        let member = Member {
            instance: join.instance,
            client: join.client,
            assignment: Bytes::new(),
            session: join.session,
            rebalance: join.rebalance,
            protocols: join.protocols,
            joins: None,
            syncs: None,
            heard: now,
        };
        self.members.insert(id.clone(), member);
        self.empty_since_ms = None;
        if self.phase == Phase::Empty {
            self.phase = Phase::Joining { until: now + FIRST_WAIT, is_first: true };
        }
        Ok(Admitted::Waits(id))
    }

    /// Puts the present member of an instance in the place of the former one. If the group is
    /// stable and the member says the same, its assignment stays, and the others notice nothing.
    fn replace(&mut self, former: &str, join: Join, id: &str, now: Instant) -> Admitted {
        let mut member = self.members.remove(former).expect("it was found");
        let says_the_same = member.protocols == join.protocols;
        (member.session, member.rebalance) = (join.session, join.rebalance);
        (member.protocols, member.client) = (join.protocols, join.client);
        (member.joins, member.syncs) = (None, None);
        member.heard(now);
        self.members.insert(id.to_owned(), member);
        let was_leader = self.leader == former;
        if was_leader {
            id.clone_into(&mut self.leader);
        }
        if self.phase != Phase::Stable || !says_the_same {
            return Admitted::Waits(id.to_owned());
        }
        let mut joined = self.joined(id);
        if was_leader {
            // It has nothing to assign, so it isn't told that it leads.
            (joined.leader, joined.members) = (former.to_owned(), Vec::new());
        }
        Admitted::At(Box::new(joined))
    }

    /// Returns whether a member could speak a protocol with all others.
    fn speaks(&self, join: &Join) -> bool {
        let others = || self.members.iter().filter(|(id, _)| **id != join.member_id);
        let is_spoken =
            |name: &str| others().all(|(_, it)| it.protocols.iter().any(|(its, _)| its == name));
        !join.protocol_type.is_empty()
            && (others().next().is_none() || self.protocol_type == join.protocol_type)
            && join.protocols.iter().any(|(name, _)| is_spoken(name))
    }

    /// Lets members go; the others begin another generation.
    pub(super) fn remove(&mut self, ids: &[String], now: Instant) -> Answers<R> {
        let mut answers = Vec::new();
        for id in ids {
            let Some(member) = self.members.remove(id) else { continue };
            let waiting = member.joins.into_iter().chain(member.syncs);
            answers
                .extend(waiting.map(|request| (request, Answer::Refused(Refusal::UnknownMember))));
        }
        if !ids.is_empty() {
            answers.extend(self.rebalance(now));
        }
        answers
    }

    /// Has all members join again.
    pub(super) fn rebalance(&mut self, now: Instant) -> Answers<R> {
        let mut answers = Vec::new();
        if !matches!(self.phase, Phase::Joining { .. }) {
            for member in self.members.values_mut() {
                let waiting = member.syncs.take();
                answers.extend(waiting.map(|it| (it, Answer::Refused(Refusal::Rebalancing))));
            }
            self.phase = Phase::Joining { until: now + self.longest(), is_first: false };
        }
        answers.extend(self.go_on(now));
        answers
    }

    /// Completes a generation once nobody is waited for; begins one if somebody waits to join.
    pub(super) fn go_on(&mut self, now: Instant) -> Answers<R> {
        let waits = self.members.values().any(|member| member.joins.is_some());
        match self.phase {
            Phase::Syncing { .. } | Phase::Stable if waits => self.rebalance(now),
            Phase::Joining { until, is_first } => {
                let all = self.members.values().all(|member| member.joins.is_some());
                let is_over = if is_first { until <= now } else { self.given.is_empty() };
                if all && is_over || self.members.is_empty() {
                    self.complete(now)
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    /// Begins the next generation with the members that have joined. One with an instance keeps its
    /// place until it is silent.
    pub(super) fn complete(&mut self, now: Instant) -> Answers<R> {
        self.members.retain(|_, it| it.joins.is_some() || it.instance.is_some());
        self.generation = self.generation.wrapping_add(1).max(1);
        if !self.members.values().any(|member| member.joins.is_some()) {
            if self.members.is_empty() {
                (self.phase, self.leader) = (Phase::Empty, String::new());
                self.protocol.clear();
            } else {
                self.phase = Phase::Joining { until: now + self.longest(), is_first: false };
            }
            return Vec::new();
        }
        self.protocol = self.vote();
        if self.members.get(&self.leader).is_none_or(|leader| leader.joins.is_none()) {
            let joined = self.members.iter().find(|(_, member)| member.joins.is_some());
            self.leader = joined.map(|(id, _)| id.clone()).expect("one has joined");
        }
        self.phase = Phase::Syncing { until: now + self.longest() };
        let ids: Vec<_> = self.members.keys().cloned().collect();
        let mut answers = Vec::new();
        for id in ids {
            let joined = self.joined(&id);
            let member = self.members.get_mut(&id).expect("it is one of them");
            member.assignment = Bytes::new();
            if let Some(request) = member.joins.take() {
                member.heard(now);
                answers.push((request, Answer::Joined(Box::new(joined))));
            }
        }
        answers
    }

    /// Gives the members what the leader has assigned.
    pub(super) fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) -> Answers<R> {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                // The bytes may be a small part of a large request.
                member.assignment = Bytes::copy_from_slice(&assignment);
            }
        }
        self.phase = Phase::Stable;
        let mut answers = Vec::new();
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let assigned = self.assigned(&id);
            let member = self.members.get_mut(&id).expect("it is one of them");
            if let Some(request) = member.syncs.take() {
                member.heard(now);
                answers.push((request, assigned));
            }
        }
        answers
    }

    fn joined(&self, id: &str) -> Joined {
        let leads = self.leader == id;
        let said = |(id, it): (&String, &Member<R>)| {
            (id.clone(), it.instance.clone(), it.says(&self.protocol))
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member_id: id.to_owned(),
            members: if leads { self.members.iter().map(said).collect() } else { Vec::new() },
        }
    }

    /// Returns the protocol that most members like best among those that all speak.
    fn vote(&self) -> String {
        let spoken = |name: &str| {
            self.members.values().all(|it| it.protocols.iter().any(|(its, _)| its == name))
        };
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in self.members.values() {
            let Some((liked, _)) = member.protocols.iter().find(|(name, _)| spoken(name)) else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| name == liked) {
                Some((_, count)) => *count += 1,
                None => votes.push((liked, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max();
        let winner = votes.iter().find(|(_, count)| Some(*count) == most);
        winner.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }

    /// Returns the longest time that a member needs to join again.
    fn longest(&self) -> std::time::Duration {
        self.members.values().map(|member| member.rebalance).max().unwrap_or_default()
    }
}
