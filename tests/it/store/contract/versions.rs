//! Versions of the tables: a later one that only adds is worked with, and one that breaks is refused.

use event_gateway::domain::follower::Follower;
use event_gateway::store::{Access, Error, LeaseCheck};

use crate::support::drafts::{create, delete_all};
use crate::support::ids::{diku, log_id, tenant};
use crate::support::store_fixture::{OpenStore, Version, Versions, cursors};
use crate::support::store_parking::hold;

const ITEM: &str = "folio.diku.inventory.item";

/// Returns the version after the newest of these.
fn after(recorded: &[Version], compatible_with: i64) -> Version {
    let number = recorded.last().unwrap().number + 1;
    Version { number, compatible_with, release: format!("{number}.0.0") }
}

/// Each release is opened by the next one, so what is recorded must be true of this one.
pub async fn the_recorded_versions_are_counted_and_their_releases_rise<B: Versions>() {
    let opened = OpenStore::<B>::new().await;
    let recorded = opened.fixture.recorded().await;
    assert!(recorded.iter().map(|it| it.number).eq(1..=recorded.len() as i64), "{recorded:?}");
    assert!(recorded.is_sorted_by_key(|it| it.compatible_with), "{recorded:?}");
    assert!(recorded.iter().all(|it| it.compatible_with <= it.number), "{recorded:?}");
    let numbers = |release: &str| -> Vec<u32> {
        release.split('.').map(|part| part.parse().unwrap()).collect()
    };
    assert!(recorded.is_sorted_by_key(|it| numbers(&it.release)), "{recorded:?}");
    let newest = numbers(&recorded.last().unwrap().release);
    assert!(newest <= numbers(env!("CARGO_PKG_VERSION")), "{recorded:?}");
}

/// Appends two events, reads the log, moves the relay's checkpoint and enables a tenant.
async fn works<B: Versions>(opened: &OpenStore<B>, first: u128) {
    opened.post(&[delete_all(ITEM, first), create(first + 1)]).await;
    let stand = *cursors(&*opened.store, &diku()).await.last().unwrap();
    let lease = hold(opened, &diku()).await;
    let checkpoint = opened.store.checkpoint(&lease, &Follower::relay(), &[(diku(), stand)]).await;
    assert_eq!(checkpoint.unwrap(), LeaseCheck::Held);
    opened.store.enable_if_new(&tenant(&format!("t{first}")), log_id(first)).await.unwrap();
    opened.store.check().await.unwrap();
}

/// The version before serves on while the pods of the next one start, and is what a rollback
/// starts.
pub async fn a_version_that_only_adds_stops_nobody_who_runs_starts_or_attaches<B: Versions>() {
    let opened = OpenStore::<B>::new().await;
    opened.settle(1).await;
    let recorded = opened.fixture.recorded().await;
    let ours = recorded.last().unwrap().number;
    let later = after(&recorded, ours);
    opened.fixture.add_columns().await;
    works(&opened, 51).await;
    opened.fixture.record(&later).await;
    works(&opened, 101).await;
    let opened = opened.reopen().await;
    works(&opened, 201).await;
    drop(opened.fixture.open_with(Access::Attach).await.unwrap());
    assert_eq!(opened.log(&diku()).await.len(), 26);
    drop(opened.store);
    drop(opened.fixture.open_with(Access::Alone).await.unwrap());
    assert_eq!(opened.fixture.recorded().await, [recorded, vec![later]].concat());
}

pub async fn a_version_that_breaks_is_refused_with_both_versions_and_left_alone<B: Versions>() {
    let opened = OpenStore::<B>::new().await;
    opened.settle(1).await;
    drop(opened.store);
    let fixture = opened.fixture;
    let recorded = fixture.recorded().await;
    let ours = recorded.last().unwrap().number;
    let adds = after(&recorded, ours);
    fixture.record(&adds).await;
    let breaks =
        Version { number: ours + 2, compatible_with: ours + 1, release: "77.0.0".to_owned() };
    fixture.record(&breaks).await;
    for access in [Access::Serve, Access::Attach, Access::Alone] {
        let opened = fixture.open_with(access).await.map(drop);
        let Err(Error::Refused(why)) = opened else { panic!("{access:?}: {opened:?}") };
        let words = [
            format!("its schema has version {}, of event-gateway 77.0.0", ours + 2),
            format!("(event-gateway {}) has version {ours}", env!("CARGO_PKG_VERSION")),
            format!("use event-gateway {} or newer", adds.release),
            "a backup".to_owned(),
        ];
        for word in words {
            assert!(why.contains(&word), "{access:?}: {word}: {why}");
        }
    }
    assert_eq!(fixture.recorded().await, [recorded, vec![adds, breaks]].concat());
}
