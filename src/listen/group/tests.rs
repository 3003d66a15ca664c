//! The promises of a group: one generation, one leader, and no commit from outside of it.

mod limits;
mod size;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Answer, Answers, BYTES_MAX, Client, FIRST_WAIT, Group, Join, Joined, Named, PROTOCOLS_MAX,
    Refusal, Saved, Summary,
};
use crate::domain::time::Time;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group whose requests are numbers, with the answers that came.
struct Bed {
    group: Group<u32>,
    now: Instant,
    requests: u32,
    answers: BTreeMap<u32, Answer>,
}

impl Bed {
    fn new() -> Self {
        Self { group: Group::default(), now: Instant::now(), requests: 0, answers: BTreeMap::new() }
    }

    fn take(&mut self, answers: Answers<u32>) {
        for (request, answer) in answers {
            assert!(self.answers.insert(request, answer).is_none(), "{request} is answered twice");
        }
    }

    /// Asks to join as a dynamic member whose id is known to it; returns the request.
    fn join(&mut self, id: &str, instance: Option<&str>, says: &'static str) -> u32 {
        let protocols = vec![("range".to_owned(), Bytes::from_static(says.as_bytes()))];
        self.ask(id, instance, protocols, false)
    }

    fn ask(
        &mut self,
        id: &str,
        instance: Option<&str>,
        protocols: Vec<(String, Bytes)>,
        needs_known_id: bool,
    ) -> u32 {
        self.requests += 1;
        let join = Join {
            member_id: id.to_owned(),
            instance: instance.map(str::to_owned),
            client: Client::default(),
            session: SESSION,
            rebalance: REBALANCE,
            protocol_type: "consumer".to_owned(),
            protocols,
            needs_known_id,
        };
        let new = format!("m{}", self.requests);
        let answers = self.group.join(join, &new, self.requests, self.now);
        self.take(answers);
        self.requests
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &'static str)]) -> u32 {
        self.requests += 1;
        let named = Named { id, instance: None, generation: self.group.generation() };
        let assignments = assignments
            .iter()
            .map(|(id, it)| ((*id).to_owned(), Bytes::from_static(it.as_bytes())));
        let answers = self.group.sync(&named, assignments.collect(), self.requests, self.now);
        self.take(answers);
        self.requests
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let answers = self.group.tick(self.now);
        self.take(answers);
    }

    fn beat(&mut self, id: &str) -> Result<(), Refusal> {
        let named = Named { id, instance: None, generation: self.group.generation() };
        self.group.heartbeat(&named, self.now)
    }

    fn joined(&self, request: u32) -> &Joined {
        match self.answers.get(&request) {
            Some(Answer::Joined(joined)) => joined,
            other => panic!("request {request} is answered by {other:?}"),
        }
    }

    fn refused(&self, request: u32) -> Refusal {
        match self.answers.get(&request) {
            Some(Answer::Refused(refusal)) => *refusal,
            other => panic!("request {request} is answered by {other:?}"),
        }
    }

    fn assigned(&self, request: u32) -> &[u8] {
        match self.answers.get(&request) {
            Some(Answer::Assigned(bytes, ..)) => bytes,
            other => panic!("request {request} is answered by {other:?}"),
        }
    }

    /// Makes a stable group of two members, and returns their ids, the leader's first.
    fn pair() -> (Self, String, String) {
        let mut bed = Self::new();
        let [one, two] = [bed.join("", None, "a"), bed.join("", None, "b")];
        bed.pass(FIRST_WAIT);
        let [one, two] = [one, two].map(|it| bed.joined(it).member_id.clone());
        let (leader, follower) = if bed.group.leader == one { (one, two) } else { (two, one) };
        let waits = bed.sync(&follower, &[]);
        assert!(!bed.answers.contains_key(&waits), "nobody has assigned yet");
        let leads = bed.sync(&leader, &[(&leader, "1"), (&follower, "2")]);
        assert_eq!((bed.assigned(leads), bed.assigned(waits)), (&b"1"[..], &b"2"[..]));
        assert_eq!(bed.group.state(), "Stable");
        (bed, leader, follower)
    }
}

#[test]
fn members_that_come_together_share_a_generation_and_only_its_leader_sees_all() {
    let (bed, leader, _) = Bed::pair();
    let joined: Vec<_> = [1, 2].map(|it| bed.joined(it)).into();
    assert!(joined.iter().all(|it| it.generation == 1 && it.leader == leader));
    let seen: Vec<_> = joined.iter().map(|it| it.members.len()).collect();
    assert!(seen == [2, 0] || seen == [0, 2], "{seen:?}");
}

#[test]
fn a_new_member_is_given_an_id_with_which_it_joins() {
    let mut bed = Bed::new();
    let says = vec![("range".to_owned(), Bytes::new())];
    let asked = bed.ask("", None, says.clone(), true);
    let Some(Answer::IdGiven(id)) = bed.answers.get(&asked).cloned() else { panic!() };
    let joins = bed.ask(&id, None, says.clone(), true);
    bed.pass(FIRST_WAIT);
    assert_eq!(bed.joined(joins).member_id, id);
    let stranger = bed.ask("nobody", None, says, true);
    assert_eq!(bed.refused(stranger), Refusal::UnknownMember);
}

#[test]
fn whoever_joins_or_leaves_has_the_others_join_again() {
    let (mut bed, leader, follower) = Bed::pair();
    let third = bed.join("", None, "c");
    assert_eq!(bed.beat(&leader), Err(Refusal::Rebalancing));
    let [one, two] = [bed.join(&leader, None, "a"), bed.join(&follower, None, "b")];
    assert_eq!([one, two, third].map(|it| bed.joined(it).generation), [2; 3]);
    bed.sync(&leader, &[]);
    let answers = bed.group.leave(&follower, None, bed.now).unwrap();
    bed.take(answers);
    assert_eq!(bed.beat(&leader), Err(Refusal::Rebalancing));
    assert_eq!(bed.beat(&follower), Err(Refusal::UnknownMember));
}

#[test]
fn a_silent_member_is_out_after_its_session_and_one_that_beats_is_not() {
    let (mut bed, leader, follower) = Bed::pair();
    for _ in 0..4 {
        bed.pass(SESSION / 2);
        let _ = bed.beat(&leader);
    }
    assert_eq!(bed.beat(&follower), Err(Refusal::UnknownMember));
    let again = bed.join(&leader, None, "a");
    assert_eq!(bed.joined(again).generation, 2);
    assert_eq!(bed.joined(again).members.len(), 1);
}

#[test]
fn who_does_not_join_again_in_time_is_left_out() {
    let (mut bed, leader, follower) = Bed::pair();
    let third = bed.join("", None, "c");
    let again = bed.join(&leader, None, "a");
    for _ in 0..7 {
        bed.pass(REBALANCE / 7);
        let _ = bed.beat(&follower);
    }
    bed.pass(Duration::from_secs(1));
    assert_eq!(bed.joined(again).members.len(), 2);
    assert_eq!(bed.joined(third).generation, 2);
    assert_eq!(bed.beat(&follower), Err(Refusal::UnknownMember));
}

#[test]
fn a_generation_without_an_assignment_in_time_begins_again() {
    let mut bed = Bed::new();
    let [one, two] = [bed.join("", None, "a"), bed.join("", None, "b")];
    bed.pass(FIRST_WAIT);
    let leader = bed.joined(one).leader.clone();
    let follower = [one, two].map(|it| bed.joined(it).member_id.clone());
    let follower = follower.into_iter().find(|it| *it != leader).unwrap();
    let waits = bed.sync(&follower, &[]);
    bed.pass(REBALANCE);
    assert_eq!(bed.refused(waits), Refusal::Rebalancing);
    assert_eq!(bed.beat(&leader), Err(Refusal::UnknownMember));
}

#[test]
fn only_a_member_of_the_present_generation_commits_and_anybody_while_nobody_is_in() {
    let (mut bed, leader, follower) = Bed::pair();
    let named = |id, generation| Named { id, instance: None, generation };
    let now = bed.now;
    assert_eq!(bed.group.may_commit(&named(&leader, 1), now), Ok(()));
    assert_eq!(bed.group.may_commit(&named(&leader, 0), now), Err(Refusal::IllegalGeneration));
    assert_eq!(bed.group.may_commit(&named("x", 1), now), Err(Refusal::UnknownMember));
    assert_eq!(bed.group.may_commit(&named("", -1), now), Err(Refusal::UnknownMember));
    // While the others join again, what was consumed before may still be committed.
    bed.join("", None, "c");
    assert_eq!(bed.group.may_commit(&named(&follower, 1), now), Ok(()));
    let mut empty = Group::<u32>::default();
    assert_eq!(empty.may_commit(&named("", -1), now), Ok(()));
}

#[test]
fn an_instance_that_comes_back_keeps_its_assignment_and_fences_its_former_self() {
    let mut bed = Bed::new();
    let first = bed.join("", Some("i"), "a");
    bed.pass(FIRST_WAIT);
    let id = bed.joined(first).member_id.clone();
    bed.sync(&id, &[(&id, "1")]);
    let back = bed.join("", Some("i"), "a");
    let joined = bed.joined(back).clone();
    assert_eq!(joined.generation, 1);
    assert_ne!(joined.member_id, id);
    assert_ne!(joined.leader, joined.member_id, "it has nothing to assign");
    let synced = bed.sync(&joined.member_id, &[]);
    assert_eq!(bed.assigned(synced), b"1");
    let former = Named { id: &id, instance: Some("i"), generation: 1 };
    assert_eq!(bed.group.heartbeat(&former, bed.now), Err(Refusal::Fenced));
    let other = bed.join("", Some("i"), "other");
    bed.pass(REBALANCE);
    assert_eq!(bed.joined(other).generation, 2, "it reads something else now");
}

#[test]
fn a_member_that_speaks_no_common_protocol_is_refused_and_the_best_liked_one_is_chosen() {
    let mut bed = Bed::new();
    let speaks = |names: &[&str]| names.iter().map(|it| ((*it).to_owned(), Bytes::new())).collect();
    let requests = [
        bed.ask("", None, speaks(&["range", "sticky"]), false),
        bed.ask("", None, speaks(&["sticky", "range"]), false),
        bed.ask("", None, speaks(&["sticky", "range"]), false),
    ];
    let stranger = bed.ask("", None, speaks(&["other"]), false);
    assert_eq!(bed.refused(stranger), Refusal::InconsistentProtocol);
    bed.pass(FIRST_WAIT);
    assert!(requests.iter().all(|it| bed.joined(*it).protocol == "sticky"));
}

#[test]
fn a_group_holds_no_more_than_it_may_of_what_its_members_say_and_are_assigned() {
    let (mut bed, leader, follower) = Bed::pair();
    let half: &'static str = "x".repeat(BYTES_MAX / 2).leak();
    let [third, fourth] = [(); 2].map(|()| bed.join("", None, half));
    assert_eq!(bed.refused(fourth), Refusal::Full);
    for id in [&leader, &follower] {
        bed.join(id, None, "a");
    }
    assert_eq!(bed.joined(third).generation, 2, "it waits for nobody else");
    let third = bed.joined(third).member_id.clone();
    assert_eq!(bed.group.leader, leader);
    let too_much = bed.sync(&leader, &[(&leader, half), (&third, "3"), ("nobody", half)]);
    assert_eq!(bed.refused(too_much), Refusal::Full);
    let fits = bed.sync(&leader, &[(&leader, "1"), ("nobody", half)]);
    assert_eq!(bed.assigned(fits), b"1");
    let protocol = ("range".to_owned(), Bytes::new());
    let many = bed.ask("", None, vec![protocol; PROTOCOLS_MAX + 1], false);
    assert_eq!(bed.refused(many), Refusal::InconsistentProtocol);
}

#[test]
fn a_stable_group_outlives_the_process_and_an_unfinished_generation_does_not() {
    let (mut bed, leader, follower) = Bed::pair();
    let saved = bed.group.save();
    let read = Saved::from_column(&saved.as_column()).unwrap();
    assert_eq!(read, saved);
    bed.group = Group::load(read, bed.now).unwrap();
    assert_eq!(bed.beat(&leader), Ok(()));
    let synced = bed.sync(&follower, &[]);
    assert_eq!(bed.assigned(synced), b"2");
    bed.join("", None, "c");
    bed.group = Group::load(bed.group.save(), bed.now).unwrap();
    assert_eq!(bed.beat(&leader), Err(Refusal::UnknownMember));
    assert_eq!(bed.group.generation(), 1, "the next one has a higher number");
}

#[test]
fn a_group_is_empty_since_it_was_found_so_until_somebody_joins() {
    let since = Time::from_ms(7);
    let mut bed = Bed::new();
    bed.group = Group::load(bed.group.save().emptied(since), bed.now).unwrap();
    let saved = Saved::from_column(&bed.group.save().as_column()).unwrap();
    let summary = saved.summary();
    assert_eq!(Summary::from_column(&summary.as_column()), summary);
    assert_eq!((summary.empty_since(), saved.has_members()), (Some(since), false));
    let joins = bed.join("", None, "a");
    bed.pass(FIRST_WAIT);
    let id = bed.joined(joins).member_id.clone();
    bed.sync(&id, &[(&id, "1")]);
    let summary = bed.group.save().summary();
    assert_eq!((summary.empty_since(), summary.members), (None, 1));
    bed.pass(SESSION);
    let summary = bed.group.save().summary();
    assert_eq!((summary.empty_since(), summary.members), (None, 0));
}

/// Members come, go, fall silent and come back in any order: no two leaders, no assignment of
/// another generation, and in the end all that are left share one.
#[test]
fn whatever_members_do_they_end_in_one_generation() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bed = Bed::new();
        let mut waiting: Vec<u32> = Vec::new();
        let mut ids: Vec<String> = Vec::new();
        for _ in 0..60 {
            match random.u8(0..5) {
                0 if ids.len() < 6 => waiting.push(bed.join("", None, "a")),
                1 if !ids.is_empty() => {
                    let id = ids.swap_remove(random.usize(..ids.len()));
                    if let Ok(answers) = bed.group.leave(&id, None, bed.now) {
                        bed.take(answers);
                    }
                }
                2 if !ids.is_empty() => {
                    let id = ids[random.usize(..ids.len())].clone();
                    waiting.push(bed.join(&id, None, "a"));
                }
                3 => bed.pass(SESSION / random.u32(1..5)),
                _ => {
                    for id in ids.clone() {
                        if bed.beat(&id).is_ok() {
                            bed.sync(&id, &[]);
                        }
                    }
                }
            }
            waiting.retain(|request| match bed.answers.get(request) {
                None => true,
                Some(Answer::Joined(joined)) => {
                    ids.retain(|id| *id != joined.member_id);
                    ids.push(joined.member_id.clone());
                    false
                }
                Some(_) => false,
            });
        }
        settle(&mut bed, seed);
    }
}

/// Has every member do what a client does until the group is stable.
fn settle(bed: &mut Bed, seed: u64) {
    for _ in 0..20 {
        let ids: Vec<_> = bed.group.members().map(|(id, _)| id.clone()).collect();
        if ids.is_empty() {
            assert_eq!(bed.group.state(), "Empty", "seed {seed}");
            return;
        }
        for id in &ids {
            match bed.beat(id) {
                Err(Refusal::Rebalancing) => drop(bed.join(id, None, "a")),
                Ok(()) if bed.group.state() == "CompletingRebalance" => {
                    let all: Vec<_> = ids.iter().map(|it| (it.as_str(), "x")).collect();
                    bed.sync(id, &all);
                }
                _ => {}
            }
        }
        bed.pass(Duration::from_millis(300));
    }
    assert_eq!(bed.group.state(), "Stable", "seed {seed}");
    let generation = bed.group.generation();
    for (id, _) in bed.group.members() {
        assert!(id.starts_with('m'), "seed {seed}, generation {generation}");
    }
}
