//! The promises of the bounds: no client takes all of what groups share, and who is there goes on.

use super::{
    Absent, Answer, Arc, Bed, Coordinated, Coordinator, Group, Join, KafkaGroup, Named, Refusal,
    assigned, coordinator, join, name,
};
use crate::listen::group::Saved;
use crate::shares::Shares;
use crate::store::Error;

/// Takes a group of a scope.
async fn group(coordinator: &Coordinator, scope: &str, name: &str) -> Arc<Coordinated> {
    let name = (scope.to_owned(), Group::of_kafka(name).unwrap());
    coordinator.group(&name).await.unwrap()
}

/// Has a member ask for an id, with which it may join.
async fn ask_id(group: &Coordinated) {
    let asked = group.join(Join { needs_known_id: true, ..join() }, "given").await;
    assert!(matches!(asked, Answer::IdGiven(_)), "{asked:?}");
}

/// Has a member join that says so many bytes.
async fn say(group: &Coordinated, bytes: usize) -> Answer {
    let said = vec![("range".to_owned(), vec![b'x'; bytes].into())];
    group.join(Join { protocols: said, ..join() }, "m").await
}

/// Has the leader of a first generation assign so many bytes to itself.
async fn assign(group: &Coordinated, bytes: usize) -> Answer {
    let named = Named { id: "m", instance: None, generation: 1 };
    group.sync(&named, vec![("m".to_owned(), vec![b'x'; bytes].into())]).await
}

/// A group with one member, as the store has it.
const SAVED: &str = r#"{"generation":1,"protocol_type":"consumer","protocol":"range",
    "leader":"m","members":[{"id":"m","client":"c","host":"/h","session_ms":60000,
    "rebalance_ms":1,"protocols":[["range",""]],"assignment":""}]}"#;

/// Saves a group of all tenants that no replica has.
async fn save(bed: &Bed, name: &str, state: &str) {
    let summary = Saved::from_column(state).unwrap().summary().as_column();
    let (scope, group) = ("*".to_owned(), Group::of_kafka(name).unwrap());
    let (holder, state) = ("gone".to_owned(), state.to_owned());
    let row = KafkaGroup { scope, group, version: 0, holder, summary, state };
    assert!(bed.store.write_kafka_group(&row).await.unwrap());
}

#[tokio::test]
async fn a_group_without_members_makes_room_and_first_one_that_the_store_has_nothing_of() {
    let bed = Bed::new().await;
    let mut coordinator = coordinator(&bed, "one");
    coordinator.bounds.groups_max = 3;
    save(&bed, "stored", &Saved::default().as_column()).await;
    let stored = group(&coordinator, "*", "stored").await;
    let joining = group(&coordinator, "*", "joining").await;
    ask_id(&joining).await;
    let stranger = group(&coordinator, "*", "stranger").await;
    let other = group(&coordinator, "diku", "other").await;

    let second = group(&coordinator, "*", "second").await;
    assert!(stranger.gone.is_cancelled(), "nobody misses it");
    assert!(!stored.gone.is_cancelled() && !joining.gone.is_cancelled());
    ask_id(&second).await;
    let third = group(&coordinator, "*", "third").await;
    assert!(stored.gone.is_cancelled(), "it is in the store");
    ask_id(&third).await;
    let full = ("*".to_owned(), Group::of_kafka("fourth").unwrap());
    assert!(matches!(coordinator.group(&full).await, Err(Absent::Store(Error::Unavailable(_)))));
    let members = [&joining, &second, &third];
    assert!(members.iter().all(|it| !it.gone.is_cancelled()), "who has members stays");
    assert!(!other.gone.is_cancelled(), "another scope has room of its own");
}

#[tokio::test]
async fn the_members_of_all_groups_hold_so_many_bytes_and_a_scope_leaves_some_for_others() {
    let bed = Bed::new().await;
    let mut coordinator = coordinator(&bed, "one");
    coordinator.bounds.bytes = Shares::new(100_000, 100_000);
    let [first, second, third] = [
        group(&coordinator, "diku", "first").await,
        group(&coordinator, "diku", "second").await,
        group(&coordinator, "diku", "third").await,
    ];
    assert!(matches!(say(&first, 20_000).await, Answer::Joined(_)));
    assert!(matches!(say(&second, 20_000).await, Answer::Joined(_)));
    assert_eq!(say(&third, 20_000).await, Answer::Refused(Refusal::Full));
    let college = group(&coordinator, "college", "first").await;
    assert!(matches!(say(&college, 10_000).await, Answer::Joined(_)), "there is some left");
    assert_eq!(assign(&second, 30_000).await, Answer::Refused(Refusal::Full));
    assert!(matches!(assign(&second, 10).await, Answer::Assigned(..)));
    // What a group gives back is there for the others.
    first.leave("m", None).await.unwrap();
    assert!(matches!(say(&third, 20_000).await, Answer::Joined(_)));
}

#[tokio::test]
async fn a_group_is_taken_over_if_there_is_room_for_what_its_members_say() {
    let bed = Bed::new().await;
    let [one, mut two, three] = ["one", "two", "three"].map(|it| coordinator(&bed, it));
    assigned(&one).await;
    two.bounds.bytes = Shares::new(100, 100);
    let full = two.group(&name()).await;
    assert!(matches!(full, Err(Absent::Store(Error::Unavailable(_)))));
    let taken = three.group(&name()).await.unwrap();
    assert_eq!(taken.inner.lock().await.group.members().count(), 1);
}

#[tokio::test]
async fn a_group_holds_what_its_members_say_once_and_not_as_the_text_that_is_saved_too() {
    let bed = Bed::new().await;
    let [one, two] = ["one", "two"].map(|it| coordinator(&bed, it));
    let first = group(&one, "diku", "first").await;
    assert!(matches!(say(&first, 20_000).await, Answer::Joined(_)));
    assert!(matches!(assign(&first, 20_000).await, Answer::Assigned(..)));
    let name = Group::of_kafka("first").unwrap();
    let stored = bed.store.find_kafka_group("diku", &name).await.unwrap().unwrap();
    assert!(stored.state.len() > 40_000);
    let taken = group(&two, "diku", "first").await;
    for group in [&first, &taken] {
        let inner = group.inner.lock().await;
        let KafkaGroup { holder, summary, state, .. } = &inner.row;
        assert!(holder.capacity() + summary.capacity() + state.capacity() < 1_000);
        assert!(inner.is_saved());
    }
}

#[tokio::test]
async fn the_store_has_so_many_groups_of_a_scope_and_those_that_are_there_go_on() {
    let bed = Bed::new().await;
    let mut coordinator = coordinator(&bed, "one");
    coordinator.bounds.stored_max = 2;
    for name in ["first", "second"] {
        let joined = say(&*group(&coordinator, "diku", name).await, 1).await;
        assert!(matches!(joined, Answer::Joined(_)), "{joined:?}");
    }
    let third = group(&coordinator, "diku", "third").await;
    assert_eq!(say(&third, 1).await, Answer::Refused(Refusal::TooMany));
    let nobody = Named { id: "", instance: None, generation: -1 };
    assert_eq!(third.commit(&nobody, async |_, _| ()).await, Err(Refusal::TooMany));
    let first = group(&coordinator, "diku", "first").await;
    assert!(matches!(assign(&first, 1).await, Answer::Assigned(..)));
    let college = group(&coordinator, "college", "third").await;
    assert!(matches!(say(&college, 1).await, Answer::Joined(_)), "another scope has its own");
    first.leave("m", None).await.unwrap();
    assert!(first.remove(async |_| Ok(())).await.unwrap());
    assert_eq!(third.commit(&nobody, async |_, _| ()).await, Ok(()));
}

#[tokio::test]
async fn groups_are_listed_once_each_from_rows_and_from_memory_and_none_is_taken_for_that() {
    let bed = Bed::new().await;
    let coordinator = coordinator(&bed, "one");
    save(&bed, "stored", SAVED).await;
    save(&bed, "left", &Saved::default().as_column()).await;
    assigned(&coordinator).await;
    ask_id(&*group(&coordinator, "*", "joining").await).await;
    group(&coordinator, "*", "stranger").await;
    let listed = coordinator.list("*").await.unwrap();
    let listed: Vec<_> = listed.iter().map(|(name, it)| (name.as_str(), it.state)).collect();
    let all =
        [("cg.search", "Stable"), ("joining", "Empty"), ("left", "Empty"), ("stored", "Stable")];
    assert_eq!(listed, all);
    assert!(coordinator.list("diku").await.unwrap().is_empty());
    let of = |name: &str| ("*".to_owned(), Group::of_kafka(name).unwrap());
    for (name, state, members) in [
        ("cg.search", "Stable", 1),
        ("stored", "Stable", 1),
        ("left", "Empty", 0),
        ("x", "Dead", 0),
    ] {
        let described = coordinator.describe(&of(name)).await.unwrap();
        assert_eq!((described.state, described.members.len()), (state, members), "{name}");
    }
    assert_eq!(coordinator.lock().len(), 3, "those that somebody has asked to join or to read");
}
