//! Stores that earlier releases made: each is opened, has what was in it, and goes on.
//!
//! `scripts/release-stores` has the dumps of a release written into `tests/it/data/releases`. The dump
//! of what this build makes is judged in the same way, so that the way is tried before there are any.

use std::path::{Path, PathBuf};

use event_gateway::domain::follower::Follower;
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::store::LeaseCheck;

use crate::support::drafts::{create, create_in, delete_all};
use crate::support::ids::{college, diku, event_id, log_id};
use crate::support::store_fixture::{Dumped, LANES, OpenStore, cursors};
use crate::support::store_parking::hold;

const ITEM: &str = "folio.diku.inventory.item";
/// Where the dumps of a release are to be written, if they are.
const WRITE_TO: &str = "EVENT_GATEWAY_RELEASE_STORES";

/// Makes what each release's store has: six events of one tenant, of which the relay has passed two,
/// and one event of a tenant that is disabled.
async fn filled<B: Dumped>() -> B {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), delete_all(ITEM, 3)]).await;
    opened.post(&[create(4), create(5), create(6)]).await;
    opened.post(&[create_in(&college(), 7)]).await;
    let passed = cursors(&*opened.store, &diku()).await[2];
    let lease = hold(&opened, &diku()).await;
    let checkpoint = opened.store.checkpoint(&lease, &Follower::relay(), &[(diku(), passed)]).await;
    assert_eq!(checkpoint.unwrap(), LeaseCheck::Held);
    assert!(opened.store.disable(&college(), Time::from_ms(1), None).await.unwrap());
    opened.store.close().await.unwrap();
    let OpenStore { fixture, store } = opened;
    drop(store);
    fixture
}

/// Finds in a store what `filled` made, and goes on with it.
async fn goes_on<B: Dumped>(dump: &str) {
    let fixture = B::load(dump).await;
    let opened = OpenStore { store: fixture.open().await, fixture };
    assert_eq!(opened.store.lanes(LANES + 1).await.unwrap(), LANES);
    let log = opened.log(&diku()).await;
    assert!(log.iter().map(|it| it.event_id).eq((1..=6).map(event_id)));
    assert!(log.iter().map(|it| it.position.number()).eq(1..=6));
    let epochs = log.iter().map(|it| it.last_delete_all.map(Position::number));
    assert!(epochs.eq([None, None, None, Some(3), Some(3), Some(3)]));
    let payload = String::from_utf8(log[4].payload.to_vec()).unwrap();
    assert!(payload.contains("\"new\":"), "{payload}");
    let tenants = opened.store.list().await.unwrap();
    let ids: Vec<_> = tenants.iter().map(|it| (it.tenant.clone(), it.log_id)).collect();
    assert_eq!(ids, [(college(), log_id(2)), (diku(), log_id(1))]);
    let passed = opened.store.load(&diku(), &Follower::relay()).await.unwrap().unwrap();
    assert_eq!(passed.position.number(), 2);
    assert_eq!(opened.post(&[create(5), create(8)]).await[0].position.number(), 5, "known again");
    assert_eq!(opened.log(&diku()).await.len(), 7);
    opened.store.check().await.unwrap();
}

fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/releases")
}

pub async fn a_store_that_a_release_made_is_opened_and_goes_on<B: Dumped>() {
    let fixture = filled::<B>().await;
    let made = fixture.dump().await;
    if let Ok(folder) = std::env::var(WRITE_TO) {
        std::fs::write(Path::new(&folder).join(B::FILE), &made).unwrap();
    }
    goes_on::<B>(&made).await;
    for release in std::fs::read_dir(releases()).unwrap() {
        let folder = release.unwrap().path();
        if folder.is_dir() {
            goes_on::<B>(&std::fs::read_to_string(folder.join(B::FILE)).unwrap()).await;
        }
    }
}
