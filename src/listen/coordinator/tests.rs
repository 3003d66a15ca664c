//! The promises of the coordinator: nothing is told that is not saved, and a group has one, whose
//! commits alone count.

mod bounds;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Absent, Coordinated, Coordinator, Name};
use crate::clock::System;
use crate::domain::position::Position;
use crate::domain::subscription::{Group, Part, PartCommit};
use crate::listen::fixture::{Bed, diku, item, served};
use crate::listen::group::{Answer, Client, Join, Named, Refusal};
use crate::listen::listeners::Listeners;
use crate::listen::places::{Kept, Mover, Told};
use crate::listen::principal::Scope;
use crate::listen::topics::Seen;
use crate::store::{Calls, KafkaGroup, KafkaListener};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

fn name() -> Name {
    ("*".to_owned(), Group::of_kafka("cg.search").unwrap())
}

fn listener(node: u16, instance: &str) -> KafkaListener {
    KafkaListener { node, instance: instance.to_owned(), host: "gateway".to_owned(), port: node }
}

/// Makes the coordinator of a replica that knows of no other one.
fn coordinator(bed: &Bed, instance: &str) -> Coordinator {
    let own = listener(1, instance);
    among(bed, &own, std::slice::from_ref(&own), LONG)
}

/// Makes the coordinator of a replica that counts for a while, and knows these listeners.
fn among(
    bed: &Bed,
    own: &KafkaListener,
    all: &[KafkaListener],
    counts_for: Duration,
) -> Coordinator {
    let listeners = Listeners::known(bed.store.clone(), own, all, counts_for);
    let closing = CancellationToken::new();
    Coordinator::new(bed.store.clone(), Arc::new(System), Arc::default(), listeners, closing)
}

fn join() -> Join {
    Join {
        member_id: String::new(),
        instance: None,
        client: Client::default(),
        session: Duration::from_secs(10),
        rebalance: Duration::from_secs(10),
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), "says".into())],
        needs_known_id: false,
    }
}

/// Has one member join and be assigned something; returns its id and the answer.
async fn assigned(coordinator: &Coordinator) -> (String, Answer) {
    let group = coordinator.group(&name()).await.unwrap();
    let Answer::Joined(joined) = group.join(join(), "m").await else { panic!() };
    let named = Named { id: &joined.member_id, instance: None, generation: joined.generation };
    let answer = group.sync(&named, vec![("m".to_owned(), "all".into())]).await;
    (joined.member_id.clone(), answer)
}

#[tokio::test]
async fn a_group_is_taken_over_with_its_members_and_its_former_coordinator_lets_it_go() {
    let bed = Bed::new().await;
    let [one, two] = ["one", "two"].map(|instance| coordinator(&bed, instance));
    let (id, answer) = assigned(&one).await;
    assert!(matches!(answer, Answer::Assigned(..)), "{answer:?}");
    let named = Named { id: &id, instance: None, generation: 1 };
    let taken = two.group(&name()).await.unwrap();
    assert_eq!(taken.heartbeat(&named).await, Ok(()), "it goes on as if nothing had happened");
    let former = one.group(&name()).await.unwrap();
    assert!(former.leave(&id, None).await.is_ok());
    assert_eq!(former.heartbeat(&named).await, Err(Refusal::Unavailable));
    assert_eq!(taken.heartbeat(&named).await, Ok(()), "what the former one did is not saved");
}

#[tokio::test]
async fn what_could_not_be_saved_is_told_to_nobody() {
    let bed = Bed::new().await;
    let coordinator = coordinator(&bed, "one");
    let group = coordinator.group(&name()).await.unwrap();
    let Answer::Joined(joined) = group.join(join(), "m").await else { panic!() };
    // Somebody else has the group by now.
    let (scope, group_name) = name();
    let row = KafkaGroup {
        scope,
        group: group_name,
        version: 0,
        holder: "two".to_owned(),
        summary: "{}".to_owned(),
        state: "{}".to_owned(),
    };
    let found = bed.store.find_kafka_group(&row.scope, &row.group).await.unwrap();
    let version = found.map_or(0, |found| found.version);
    assert!(bed.store.write_kafka_group(&KafkaGroup { version, ..row }).await.unwrap());
    let named = Named { id: &joined.member_id, instance: None, generation: joined.generation };
    let answer = group.sync(&named, vec![("m".to_owned(), "all".into())]).await;
    assert_eq!(answer, Answer::Refused(Refusal::Unavailable));
}

#[tokio::test]
async fn a_group_whose_last_member_has_left_is_free_at_once() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let coordinator = coordinator(&bed, "one");
    let (id, _) = assigned(&coordinator).await;
    let group = coordinator.group(&name()).await.unwrap();
    assert!(matches!(commit(&bed, &group, &id, 1).await, Ok(Ok(Told::ByNobody))));
    let store = &*bed.store;
    let holder = async || {
        let found = store.find_subscriptions(&[(diku(), name().1)]).await.unwrap();
        found[0].subscription.holder(found[0].now).map(|lease| lease.reader.clone())
    };
    assert_eq!(holder().await.as_deref(), Some("Kafka clients of cg.search in *"));
    group.leave(&id, None).await.unwrap();
    assert_eq!(holder().await, None);
}

#[tokio::test]
async fn a_scope_has_so_many_groups_at_once_and_leaves_room_for_others() {
    let bed = Bed::new().await;
    let coordinator = coordinator(&bed, "one");
    let group = |number: usize| Group::of_kafka(&format!("g-{number}")).unwrap();
    let (max, mut held) = (coordinator.bounds.groups_max, Vec::new());
    for number in 0..max {
        let taken = coordinator.group(&("diku".to_owned(), group(number))).await.unwrap();
        let joins = Join { needs_known_id: true, ..join() };
        assert!(matches!(taken.join(joins, "m").await, Answer::IdGiven(_)));
        held.push(taken);
    }
    assert!(coordinator.group(&("diku".to_owned(), group(max))).await.is_err());
    assert!(coordinator.group(&("diku".to_owned(), group(0))).await.is_ok(), "it is there");
    assert!(coordinator.group(&("college".to_owned(), group(0))).await.is_ok());
    held[7].gone.cancel();
    assert!(coordinator.group(&("diku".to_owned(), group(max))).await.is_ok());
}

/// Lets a member commit a position; returns what it is answered.
async fn commit(
    bed: &Bed,
    group: &Coordinated,
    id: &str,
    position: u64,
) -> Result<Result<Told, Kept>, Refusal> {
    let named = Named { id, instance: None, generation: 1 };
    let part = Part { cursor: Position::new(position).unwrap(), metadata: String::new() };
    let commit = [PartCommit { topic: item(), partition: 0, partitions: 1, part }];
    let (store, topics) = (&*bed.store, Seen::nothing(Scope::All));
    let done = group.commit(&named, async |places, has_members| {
        assert!(has_members);
        places.commit(store, &diku(), &commit, &topics, &Mover::Members).await
    });
    done.await
}

/// Returns where a group stands by the store.
async fn stands(bed: &Bed) -> u64 {
    let found = bed.store.find_subscriptions(&[(diku(), name().1)]).await.unwrap();
    found[0].subscription.part(&item(), 0).unwrap().cursor.number()
}

#[tokio::test]
async fn a_former_coordinator_commits_nothing_once_its_successor_was_asked() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b", "c", "d", "e"]).await;
    let [one, two, three] = ["one", "two", "three"].map(|instance| coordinator(&bed, instance));
    let (id, _) = assigned(&one).await;
    let first = one.group(&name()).await.unwrap();
    assert!(matches!(commit(&bed, &first, &id, 1).await, Ok(Ok(_))));
    // The first one is paused, and wakes up after the second one has told where the group stands.
    let second = two.group(&name()).await.unwrap();
    let (store, served) = (&*bed.store, served(&item(), 1));
    let told = second.places(async |places, _| places.of(store, &served, 0).await).await;
    assert_eq!(told.unwrap().unwrap().unwrap().cursor.number(), 1);
    let late = commit(&bed, &first, &id, 2).await;
    assert!(matches!(late, Ok(Err(Kept::Elsewhere))), "{late:?}");
    assert_eq!(
        first.heartbeat(&Named { id: &id, instance: None, generation: 1 }).await,
        Err(Refusal::Unavailable),
        "it has let the group go"
    );
    assert!(matches!(commit(&bed, &second, &id, 3).await, Ok(Ok(_))));
    assert_eq!(stands(&bed).await, 3);
    let third = three.group(&name()).await.unwrap();
    assert!(matches!(commit(&bed, &third, &id, 4).await, Ok(Ok(_))));
    let late = commit(&bed, &second, &id, 5).await;
    assert!(matches!(late, Ok(Err(Kept::Elsewhere))), "{late:?}");
    assert!(matches!(commit(&bed, &third, &id, 5).await, Ok(Ok(_))), "it goes on");
    assert_eq!(stands(&bed).await, 5);
}

#[tokio::test]
async fn a_former_coordinator_that_has_moved_nothing_yet_commits_nothing() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b", "c"]).await;
    let [one, two, three] = ["one", "two", "three"].map(|instance| coordinator(&bed, instance));
    let (id, _) = assigned(&one).await;
    let first = one.group(&name()).await.unwrap();
    assert!(matches!(commit(&bed, &first, &id, 1).await, Ok(Ok(_))));
    let second = two.group(&name()).await.unwrap();
    let third = three.group(&name()).await.unwrap();
    assert!(matches!(commit(&bed, &third, &id, 3).await, Ok(Ok(_))));
    let late = commit(&bed, &second, &id, 2).await;
    assert!(matches!(late, Ok(Err(Kept::Elsewhere))), "{late:?}");
    assert_eq!(stands(&bed).await, 3);
    assert!(matches!(commit(&bed, &third, &id, 3).await, Ok(Ok(_))), "it goes on");
}

#[tokio::test]
async fn one_replica_takes_a_group_and_keeps_it_as_long_as_it_is_announced() {
    let bed = Bed::new().await;
    let all = [listener(1, "one"), listener(2, "two"), listener(3, "three")];
    let [one, two] = [0, 1].map(|own| among(&bed, &all[own], &all[..2], LONG));
    let (mut takers, mut others) = (Vec::new(), Vec::new());
    for coordinator in [one, two] {
        match coordinator.group(&name()).await {
            Ok(_) => takers.push(coordinator),
            Err(why) => {
                assert!(matches!(why, Absent::Elsewhere), "{why:?}");
                others.push(coordinator);
            }
        }
    }
    assert_eq!((takers.len(), others.len()), (1, 1));
    let (taker, other) = (&takers[0], &others[0]);
    let (id, _) = assigned(taker).await;
    let holder = other.locate(&name()).await.unwrap();
    assert_eq!(taker.locate(&name()).await.unwrap(), holder, "both tell the same");
    let holder = holder.unwrap();
    // Whoever else comes, it keeps the group.
    let newcomers: Vec<_> = (4..20).map(|node| listener(node, &format!("run {node}"))).collect();
    for newcomer in &newcomers {
        let with = [std::slice::from_ref(&holder), std::slice::from_ref(newcomer)].concat();
        let coordinator = among(&bed, newcomer, &with, LONG);
        assert!(matches!(coordinator.group(&name()).await, Err(Absent::Elsewhere)));
        assert_eq!(coordinator.locate(&name()).await.unwrap().as_ref(), Some(&holder));
    }
    // Once it is not announced any more, another one goes on with its members.
    let rest: Vec<_> = all.into_iter().filter(|it| *it != holder).collect();
    for own in &rest {
        let coordinator = among(&bed, own, &rest, LONG);
        let located = coordinator.locate(&name()).await.unwrap().unwrap();
        assert!(rest.contains(&located));
        if located == *own {
            let group = coordinator.group(&name()).await.unwrap();
            let named = Named { id: &id, instance: None, generation: 1 };
            assert_eq!(group.heartbeat(&named).await, Ok(()));
        } else {
            assert!(matches!(coordinator.group(&name()).await, Err(Absent::Elsewhere)));
        }
    }
}

/// The names of the store's calls.
#[derive(Default)]
struct Called(Mutex<Vec<&'static str>>);

impl Calls for Called {
    fn called(&self, operation: &'static str, _: Duration, _: Option<&'static str>) {
        self.0.lock().unwrap().push(operation);
    }
}

#[tokio::test]
async fn neither_a_commit_nor_the_search_for_a_coordinator_reads_what_members_say() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let coordinator = among(&bed, &listener(1, "one"), &[listener(1, "one")], LONG);
    let (id, _) = assigned(&coordinator).await;
    let group = coordinator.group(&name()).await.unwrap();
    let called = Arc::new(Called::default());
    bed.store.observe(called.clone());
    assert!(matches!(commit(&bed, &group, &id, 1).await, Ok(Ok(_))));
    let all = [listener(1, "one"), listener(2, "two")];
    let other = among(&bed, &all[1], &all, LONG);
    assert_eq!(other.locate(&name()).await.unwrap().as_ref(), Some(&all[0]));
    let called = called.0.lock().unwrap();
    let of = |operation| called.iter().filter(|it| **it == operation).count();
    assert!(of("find_kafka_group_holder") >= 2, "{called:?}");
    assert_eq!(of("find_kafka_group"), 0, "{called:?}");
}

#[tokio::test]
async fn a_replica_that_does_not_count_any_more_answers_no_member() {
    let bed = Bed::new().await;
    let own = listener(1, "one");
    let counts_for = Duration::from_secs(1);
    let coordinator = among(&bed, &own, std::slice::from_ref(&own), counts_for);
    let group = coordinator.group(&name()).await.unwrap();
    let Answer::Joined(first) = group.join(join(), "m").await else { panic!() };
    // Another one joins, and waits for the first.
    let waiting = group.join(join(), "n");
    let away = async {
        tokio::time::sleep(counts_for).await;
        coordinator.group(&name()).await
    };
    let (waiting, away) = tokio::join!(waiting, away);
    assert!(matches!(away, Err(Absent::Elsewhere)));
    assert_eq!(waiting, Answer::Refused(Refusal::Unavailable), "it is not left waiting");
    let named = Named { id: &first.member_id, instance: None, generation: first.generation };
    assert_eq!(group.heartbeat(&named).await, Err(Refusal::Unavailable));
}

/// Each commit holds the group for a while by the store's time, however many came before it.
#[tokio::test]
async fn a_group_that_commits_all_the_time_keeps_readers_over_http_away() {
    let mut bed = Bed::new().await;
    let commits = 80;
    bed.append(&vec!["a"; commits]).await;
    let coordinator = coordinator(&bed, "one");
    let (id, _) = assigned(&coordinator).await;
    let group = coordinator.group(&name()).await.unwrap();
    for position in 1..=commits as u64 {
        assert!(matches!(commit(&bed, &group, &id, position).await, Ok(Ok(_))));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = bed.store.find_subscriptions(&[(diku(), name().1)]).await.unwrap();
    let (subscription, now) = (&found[0].subscription, found[0].now);
    assert!(subscription.holder(now).is_some(), "{:?} at {now}", subscription.lease);
}
