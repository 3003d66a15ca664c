//! The same event id again: the first receipt, or a conflict that leaves no trace.

use std::sync::Arc;
use std::time::Duration;

use event_gateway::domain::conflict::{Conflict, With};
use event_gateway::domain::draft::{Content, Draft};
use event_gateway::domain::entity::EventName;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::store::{Batch, Outcome};
use tokio::task::JoinSet;

use crate::support::drafts::{
    create, create_in, create_on, created, delete_all, deleted, headers, origin, other, raw,
    updated,
};
use crate::support::ids::{college, diku, event_id, key, position};
use crate::support::store_fixture::{OpenStore, StoreFixture, positions, receipts};

/// Makes a conflict with an event in the log.
fn conflict(index: usize, at: u64) -> Outcome {
    Outcome::Conflict(Conflict { index, with: With::Logged(position(at)) })
}

pub async fn the_same_content_gets_its_first_receipt_again<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let first = opened.post(&[create(1), create(2)]).await;
    opened.post(&[create(3)]).await;
    opened.fixture.elapse(Duration::from_millis(20)).await;
    assert_eq!(opened.post(&[create(2), create(1)]).await, [first[1], first[0]]);
    assert_eq!(opened.log(&diku()).await.len(), 3);
    let outcomes = opened
        .append(&[&[create(4), create(4)], &[create(5), create(1)], &[create(4)], &[create(6)]])
        .await;
    let repeated = |outcome: &Outcome| matches!(outcome, Outcome::Appended { repeated: true, .. });
    assert_eq!(outcomes.iter().map(repeated).collect::<Vec<_>>(), [false, true, true, false]);
}

pub async fn a_repeated_event_keeps_its_first_headers<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let from =
        |request| Draft { origin: origin(diku(), &[("x-okapi-request-id", request)]), ..create(1) };
    let first = opened.post(&[from("first")]).await;
    assert_eq!(opened.post(&[from("second")]).await, first);
    let log = opened.log(&diku()).await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].headers.value("x-okapi-request-id"), Some("first"));
}

pub async fn twins_in_a_batch_share_one_place<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let outcomes = opened.append(&[&[create(1), create(2), create(1), create(3), create(1)]]).await;
    assert_eq!(positions(&outcomes[0]), [1, 2, 1, 3, 1]);
    assert_eq!(opened.log(&diku()).await.len(), 3);
}

pub async fn twins_across_batches_of_a_call_share_one_place<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let outcomes =
        opened.append(&[&[create(1), create(2)], &[create(2), create(3)], &[create(1)]]).await;
    assert_eq!(
        outcomes.iter().map(positions).collect::<Vec<_>>(),
        [vec![1, 2], vec![2, 3], vec![1]]
    );
    assert_eq!(receipts(&outcomes[0])[0], receipts(&outcomes[2])[0]);
    assert_eq!(opened.log(&diku()).await.len(), 3);
}

pub async fn a_half_repeated_batch_leaves_no_holes<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let outcomes = opened.append(&[&[create(3), create(1), create(4), create(2), create(5)]]).await;
    assert_eq!(positions(&outcomes[0]), [3, 1, 4, 2, 5]);
    assert!(opened.log(&diku()).await.iter().map(|e| e.position.number()).eq(1..=5));
}

/// A store that appends alone may use the heads that it wrote last.
pub async fn an_event_is_known_however_long_nobody_else_appended<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let first = opened.settle(1).await;
    assert_eq!(opened.post(&[create(3)]).await, [first[2]]);
    opened.settle(21).await;
    let outcomes = opened
        .append(&[
            &[create(41), create(2), create(41)],
            &[create(42), other(1)],
            &[create(4), other(4)],
        ])
        .await;
    assert_eq!(positions(&outcomes[0]), [41, 2, 41]);
    assert_eq!(outcomes[1..], [conflict(1, 1), conflict(1, 4)]);
    opened.settle(42).await;
    assert_eq!(opened.append(&[&[create(1), other(1)], &[create(62)]]).await[0], conflict(1, 1));
    assert!(opened.log(&diku()).await.iter().map(|e| e.event_id).eq((1..=62).map(event_id)));
}

pub async fn any_other_content_is_a_conflict<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let own = headers(&[("a", "1")]);
    let first = Draft {
        content: updated(r#"{"v":1}"#, r#"{"v":2}"#),
        own_headers: own.clone(),
        ..create(1)
    };
    opened.post(&[create(9), first.clone()]).await;
    let (event, wire_form) = (EventName::parse("X").unwrap(), WireForm::Convention);
    let process = Content::Process { event, payload: raw(r#"{"v":2}"#), wire_form };
    let others = [
        Draft { subject: Subject::new("inventory", "other"), ..first.clone() },
        Draft { subject: Subject::new("circulation", "item"), ..first.clone() },
        Draft { own_headers: headers(&[("a", "2")]), ..first.clone() },
        Draft { own_headers: headers(&[]), ..first.clone() },
        Draft { content: updated(r#"{"v":0}"#, r#"{"v":2}"#), ..first.clone() },
        Draft { content: updated(r#"{"v":1}"#, r#"{"v":3}"#), ..first.clone() },
        Draft { content: updated(r#"{"v":1}"#, r#"{"v": 2}"#), ..first.clone() },
        Draft { content: created(r#"{"v":2}"#), ..first.clone() },
        Draft { content: deleted(r#"{"v":1}"#), ..first.clone() },
        Draft { content: process, ..first.clone() },
        delete_all("folio.diku.inventory.item", 1),
    ];
    for other in others {
        assert_eq!(
            opened.append(&[&[create(2), other.clone()]]).await,
            [conflict(1, 2)],
            "{other:?}"
        );
    }
    assert_eq!(positions(&opened.append(&[&[first]]).await[0]), [2]);
    assert_eq!(opened.log(&diku()).await.len(), 2);
}

/// A setting may change before a retry.
pub async fn what_settings_derive_is_no_other_content<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let first = opened.post(&[create(1), delete_all("folio.diku.inventory.item", 2)]).await;
    let (on, of_all) = ("folio.ALL.inventory.item", delete_all("folio.ALL.inventory.item", 2));
    for again in [create_on(on, 1), Draft { key: key("by another pointer"), ..create_on(on, 1) }] {
        assert_eq!(opened.post(&[again, of_all.clone()]).await, first);
    }
    let log = opened.log(&diku()).await;
    assert!(log.iter().all(|event| event.topic.as_str() == "folio.diku.inventory.item"), "{log:?}");
}

pub async fn a_conflict_drops_its_own_batch_alone<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let college = college();
    let batches: [&[Draft]; 4] =
        [&[create(1)], &[create(2), other(1), create(3)], &[create_in(&college, 1)], &[create(4)]];
    let outcomes = opened.append(&batches).await;
    assert_eq!(outcomes[1], conflict(1, 1));
    assert_eq!([0, 2, 3].map(|i| positions(&outcomes[i])), [[1], [1], [2]]);
    assert!(opened.log(&diku()).await.iter().map(|e| e.event_id).eq([1, 4].map(event_id)));
}

pub async fn a_dropped_batch_leaves_no_trace<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    let outcomes = opened.append(&[&[create(2), create(3), other(1)], &[other(2)]]).await;
    assert_eq!(outcomes[0], conflict(2, 1));
    assert_eq!(positions(&outcomes[1]), [2]);
    assert!(opened.store.find(&diku(), event_id(3)).await.unwrap().is_none());
    assert_eq!(positions(&opened.append(&[&[other(3)]]).await[0]), [3]);
    let only_conflict = opened.append(&[&[create(4), create(2)]]).await;
    assert_eq!(only_conflict, [conflict(1, 2)]);
    assert_eq!(positions(&opened.append(&[&[create(4)]]).await[0]), [4]);
    let keys: Vec<_> = opened.log(&diku()).await.iter().map(|e| e.key.to_string()).collect();
    assert_eq!(keys, ["k", "other", "other", "k"]);
}

pub async fn twins_of_other_content_in_a_batch_conflict_and_stand_nowhere<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let outcomes = opened.append(&[&[create(1), create(2), other(1)]]).await;
    let with = With::EarlierInBatch(0);
    assert_eq!(outcomes, [Outcome::Conflict(Conflict { index: 2, with })]);
    assert!(opened.log(&diku()).await.is_empty());
    assert_eq!(positions(&opened.append(&[&[other(1)]]).await[0]), [1]);
}

pub async fn tenants_share_no_event_ids<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let theirs = Draft { key: key("theirs"), ..create_in(&college(), 1) };
    opened.post(&[create(5), create(1)]).await;
    assert_eq!(positions(&opened.append(&[std::slice::from_ref(&theirs)]).await[0]), [1]);
    assert_eq!(opened.store.find(&diku(), event_id(1)).await.unwrap().unwrap().key, key("k"));
    assert_eq!(opened.store.find(&college(), event_id(1)).await.unwrap().unwrap().key, theirs.key);
}

pub async fn receipts_survive_reopening<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let first = opened.post(&[create(1), create(2)]).await;
    let opened = opened.reopen().await;
    opened.fixture.elapse(Duration::from_millis(20)).await;
    assert_eq!(opened.post(&[create(1), create(2)]).await, first);
    assert_eq!(opened.append(&[&[other(2)]]).await, [conflict(0, 2)]);
}

pub async fn of_many_who_post_one_event_at_once_all_get_one_receipt<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut posts = JoinSet::new();
    for own in 0..16 {
        let store = Arc::clone(&opened.store);
        let drafts = vec![create(100 + own), create(1)];
        posts
            .spawn(async move { store.append(&[Batch { tenant: diku(), drafts }]).await.unwrap() });
    }
    let outcomes: Vec<_> = posts.join_all().await.into_iter().flatten().collect();
    let shared = receipts(&outcomes[0])[1];
    assert!(outcomes.iter().all(|outcome| receipts(outcome)[1] == shared));
    assert!(opened.log(&diku()).await.iter().map(|e| e.position.number()).eq(1..=17));
}
