//! Removal by keys: an event stays as long as one of its key before it. Else the earlier one would be
//! the last of the record, for a replay, for a DELETE_ALL that is expanded, and for who reads the
//! log again.

use event_gateway::domain::draft::Draft;
use event_gateway::domain::entity::{DeleteAllMode, LogRetention, TopicSettings};
use event_gateway::domain::parked::Request;

use super::{DAY_MS, LATER_MS, NOON, Story, compacted, not_stored};
use crate::support::drafts::deleted;
use crate::support::ids::diku;
use crate::support::parking::{ITEM, LOAN, delete_all_of, draft, ended};

/// Parks k1 while the walk passes it, publishes it then, if it is asked for, and appends one more
/// event.
async fn posted_after_it_was_parked(items: TopicSettings, request: Option<Request>, last: Draft) {
    let k2: &[u64] = if items.delete_all == DeleteAllMode::Expand { &[2] } else { &[] };
    let story = Story::new(items).await;
    story.harness.refuse(ITEM, "k1");
    let followers = story.harness.follow();
    story.append([draft(&diku(), ITEM, "k1", 1), draft(&diku(), ITEM, "k2", 2)]).await;
    story.append([draft(&diku(), LOAN, "l", 3)]).await;
    let parked = story.harness.parked(&diku(), |parked| parked.len() == 1).await;
    story.until_cursor(3).await;
    story.looked().await;
    story.harness.allow_all();
    if let Some(request) = request {
        story.harness.ask(&parked[0], request).await;
        story.harness.parked(&diku(), ended).await;
    }
    story.append([last]).await;
    story.harness.parked(&diku(), ended).await;
    story.append([draft(&diku(), LOAN, "l", 5)]).await;
    story.until_cursor(5).await;
    story.until_left_for_good(&[&[1], k2, &[3, 4, 5]].concat()).await;
    story.clock.set(NOON.after(LATER_MS));
    story.append([draft(&diku(), LOAN, "l", 6)]).await;
    story.until_left(&[k2, &[3, 5, 6]].concat()).await;
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_stays_as_long_as_an_event_of_its_key_before_it() {
    let delete = Draft { content: deleted("{}"), ..draft(&diku(), ITEM, "k1", 4) };
    let items = TopicSettings { delete_all: DeleteAllMode::Expand, ..not_stored() };
    posted_after_it_was_parked(items, Some(Request::Release), delete).await;
}

/// Else a replay would publish the earlier one as the last record of the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stays_as_long_as_an_event_of_its_key_before_it() {
    let update = draft(&diku(), ITEM, "k1", 4);
    posted_after_it_was_parked(not_stored(), Some(Request::Release), update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_all_stays_as_long_as_an_event_of_its_topic_before_it() {
    posted_after_it_was_parked(not_stored(), None, delete_all_of(&diku(), ITEM, 4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_compacted_topic_retention_removes_old_deletes_alone() {
    let items = TopicSettings { log_retention: Some(LogRetention::Ms(DAY_MS)), ..compacted() };
    let story = Story::new(items).await;
    let delete = |id, of| Draft { content: deleted("{}"), ..draft(&diku(), ITEM, of, id) };
    story.append((1..5).map(|id| draft(&diku(), ITEM, &format!("k{id}"), id))).await;
    story.append([delete(5, "k1"), delete(6, "k2"), draft(&diku(), LOAN, "l", 7)]).await;
    let followers = story.harness.follow();
    story.until_left(&[3, 4, 5, 6, 7]).await;
    assert_eq!(story.floor(&story.floors().await), 0);
    story.days(2);
    story.until_left(&[3, 4, 7]).await;
    followers.stop().await;
    assert_eq!(story.floor(&story.floors().await), 7, "who missed a DELETE is told");
}
