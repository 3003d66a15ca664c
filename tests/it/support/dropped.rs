//! Appends that are dropped half way, on any store.

use event_gateway::store::Batch;

use super::drafts::{create, create_in};
use super::ids::{college, diku, event_id};
use super::store_fixture::{OpenStore, StoreFixture, polled, positions};

/// Drops appends after each number of polls up to `polls_max`, and checks that each is appended
/// whole or not at all. Returns the numbers of appends that were dropped, and that had ended
/// before.
pub async fn append_dropped_half_way<B: StoreFixture>(polls_max: u32) -> (u32, u32) {
    let opened = OpenStore::<B>::new().await;
    let batch = |id: u128| {
        let drafts = [0, 1, 2].map(|n| create(id + n)).to_vec();
        let theirs = create_in(&college(), id);
        [Batch { tenant: diku(), drafts }, Batch { tenant: college(), drafts: vec![theirs] }]
    };
    let (mut id, mut dropped, mut untouched) = (1, 0, 0);
    for polls in (1..=polls_max).flat_map(|polls| [polls; 15]) {
        let outcome = polled(opened.store.append(&batch(id)), polls).await;
        dropped += u32::from(outcome.is_none());
        untouched += u32::from(outcome.is_some());
        let outcomes = opened.store.append(&batch(id)).await.unwrap();
        assert_eq!(positions(&outcomes[0]), [0, 1, 2].map(|n| id as u64 + n));
        assert_eq!(positions(&outcomes[1]), [(id as u64).div_ceil(3)]);
        id += 3;
    }
    assert!(opened.log(&diku()).await.iter().map(|e| e.event_id).eq((1..id).map(event_id)));
    (dropped, untouched)
}
