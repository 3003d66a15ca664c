//! The promises of the coordinator: nothing is told that is not saved, and a group has one.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Coordinator, GROUPS_MAX, Name};
use crate::clock::System;
use crate::domain::position::Position;
use crate::domain::subscription::{Group, Part, PartCommit};
use crate::listen::fixture::{Bed, diku, item};
use crate::listen::group::{Answer, Client, Join, Named, Refusal};
use crate::listen::places::{Mover, Told};
use crate::listen::principal::Scope;
use crate::listen::topics::Seen;
use crate::store::KafkaGroup;

fn name() -> Name {
    ("*".to_owned(), Group::of_kafka("cg.search").unwrap())
}

fn coordinator(bed: &Bed, instance: &str) -> Coordinator {
    let closing = CancellationToken::new();
    Coordinator::new(
        bed.store.clone(),
        Arc::new(System),
        Arc::default(),
        instance.to_owned(),
        closing,
    )
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
    let named = Named { id: &id, instance: None, generation: 1 };
    let part = Part { cursor: Position::START.next(), metadata: String::new() };
    let commit = [PartCommit { topic: item(), partition: 0, partitions: 1, part }];
    let (store, topics) = (&*bed.store, Seen::nothing(Scope::All));
    let done = group.commit(&named, async |places, has_members| {
        assert!(has_members);
        places.commit(store, &diku(), &commit, &topics, &Mover::Members).await
    });
    assert!(matches!(done.await, Ok(Ok(Told::ByNobody))));
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
    let mut held = Vec::new();
    for number in 0..GROUPS_MAX {
        held.push(coordinator.group(&("diku".to_owned(), group(number))).await.unwrap());
    }
    assert!(coordinator.group(&("diku".to_owned(), group(GROUPS_MAX))).await.is_err());
    assert!(coordinator.group(&("diku".to_owned(), group(0))).await.is_ok(), "it is there");
    assert!(coordinator.group(&("college".to_owned(), group(0))).await.is_ok());
    held[7].gone.cancel();
    assert!(coordinator.group(&("diku".to_owned(), group(GROUPS_MAX))).await.is_ok());
}
