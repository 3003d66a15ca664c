//! Removal from a store that was put back to a backup: it has events again that were removed since.

use std::time::Duration;

use event_gateway::domain::entity::TopicSettings;
use event_gateway::domain::retention::Retention;
use event_gateway::follow::Followers;
use event_gateway::sink::Sinks;
use event_gateway::store::backup;
use rusqlite::Connection;

use super::{DAY_MS, LATER_MS, NOON, Story};

/// A put-back is not always noticed: every sink's cursor may be in the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_again_is_removed_again() {
    let mut story = Story::new(TopicSettings::default()).await;
    let day = Duration::from_secs(86_400);
    story.harness.parts.removal = Retention { log_retention: Some(day), idempotency: 3 * day };
    story.mixed(1..8).await;
    let folder = story.harness.folder.path();
    let (path, copy) = (folder.join("store.db"), folder.join("copy.db"));
    backup(&path, &copy, |_, _| {}).await.unwrap();
    let followers = Followers::start(&story.harness.parts, &Sinks::default());
    story.days(2);
    story.until_left_for_good(&[]).await;
    let outside = Connection::open(&path).unwrap();
    outside.execute("ATTACH ? AS copy", [copy.to_str().unwrap()]).unwrap();
    let again = "DELETE FROM removed_ids; INSERT INTO events SELECT * FROM copy.events";
    outside.execute_batch(again).unwrap();
    assert_eq!(story.left().await, [1, 2, 3, 4, 5, 6, 7]);
    story.clock.set(NOON.after(2 * DAY_MS + LATER_MS));
    story.until_left(&[]).await;
    followers.stop().await;
}
