//! Epochs: the events before and after a topic's DELETE_ALL.

use event_gateway::domain::conflict::Conflict;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::Outcome;

use crate::support::drafts::{create, create_in, create_on, delete_all, other};
use crate::support::ids::{college, diku};
use crate::support::store_fixture::{OpenStore, StoreFixture};

const ITEM: &str = "folio.diku.inventory.item";
const OTHER: &str = "folio.diku.inventory.other";

/// Returns the epochs in a log, in order of position.
async fn epochs<B: StoreFixture>(opened: &OpenStore<B>, tenant: &TenantId) -> Vec<Option<u64>> {
    opened
        .log(tenant)
        .await
        .iter()
        .map(|event| event.last_delete_all.map(Position::number))
        .collect()
}

pub async fn what_follows_a_delete_all_carries_its_position<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    opened.post(&[delete_all(ITEM, 2)]).await;
    opened.post(&[create(3)]).await;
    opened.post(&[delete_all(ITEM, 4)]).await;
    opened.post(&[create(5)]).await;
    assert_eq!(epochs(&opened, &diku()).await, [None, None, Some(2), Some(2), Some(4)]);
}

pub async fn an_epoch_holds_within_a_batch_and_across_batches<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened
        .append(&[&[create(1), delete_all(ITEM, 2), create(3)], &[create(4), delete_all(ITEM, 5)]])
        .await;
    opened.append(&[&[create(6)]]).await;
    assert_eq!(epochs(&opened, &diku()).await, [None, None, Some(2), Some(2), Some(2), Some(5)]);
}

pub async fn topics_and_tenants_have_epochs_of_their_own<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[delete_all(ITEM, 1), create_on(OTHER, 2), delete_all(OTHER, 3)]).await;
    opened.post(&[create(4), create_on(OTHER, 5)]).await;
    opened.post(&[create_in(&college(), 6)]).await;
    assert_eq!(epochs(&opened, &diku()).await, [None, None, None, Some(1), Some(3)]);
    assert_eq!(epochs(&opened, &college()).await, [None]);
}

pub async fn an_epoch_survives_reopening<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[delete_all(ITEM, 1)]).await;
    let opened = opened.reopen().await;
    opened.post(&[create(2)]).await;
    assert_eq!(epochs(&opened, &diku()).await, [None, Some(1)]);
}

/// A store that appends alone may use the heads that it wrote last, but only for topics that it has
/// read.
pub async fn an_epoch_is_found_however_long_its_topic_was_silent<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[delete_all(OTHER, 1)]).await;
    let opened = opened.reopen().await;
    opened.settle(2).await;
    opened.post(&[create_on(OTHER, 22)]).await;
    opened.post(&[create(23)]).await;
    opened.post(&[create_on(OTHER, 24), create(25)]).await;
    opened.post(&[delete_all(ITEM, 26)]).await;
    opened.post(&[create(27), create_on(OTHER, 28)]).await;
    let later = [Some(1), None, Some(1), None, None, Some(26), Some(1)];
    assert_eq!(epochs(&opened, &diku()).await, [&[None; 21][..], &later].concat());
}

pub async fn a_dropped_delete_all_begins_no_epoch<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    let outcomes = opened.append(&[&[delete_all(ITEM, 2), other(1)], &[create(3)]]).await;
    assert!(matches!(outcomes[0], Outcome::Conflict(Conflict { index: 1, .. })));
    opened.post(&[create(4)]).await;
    assert_eq!(epochs(&opened, &diku()).await, [None, None, None]);
}
