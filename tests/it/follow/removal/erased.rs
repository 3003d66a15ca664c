//! Removal beside erasures: an ERASED event stays as long as an event that it has emptied. Who walks
//! the log again parks the key of such an event, and waits for the ERASED event.

use std::sync::Arc;

use event_gateway::domain::draft::Draft;
use event_gateway::domain::entity::{DeleteAllMode, LogRetention, TopicSettings};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Request, State};
use event_gateway::follow::Followers;
use event_gateway::sink::Sinks;

use super::{DAY_MS, LATER_MS, NOON, Story, compacted, kept_for_a_day, not_stored};
use crate::support::drafts::deleted;
use crate::support::erasures::erasure;
use crate::support::fake_documents::FakeDocuments;
use crate::support::ids::{diku, position, topic};
use crate::support::parking::{ITEM, LOAN, draft, ended};

impl Story {
    async fn erase(&self, of: &str) {
        self.harness.store.add_erasure(&erasure(&diku(), 1, &[ITEM], of), None).await.unwrap();
    }
}

/// Parks k1 from its event `from` on while the walk passes it, erases it at 11 then, and goes on:
/// its items are 1, 5 and 13.
async fn erased_while_parked(from: u128) -> (Story, Followers) {
    let story = Story::new(not_stored()).await;
    let followers = story.harness.follow();
    story.mixed(1..from).await;
    if from > 1 {
        story.until_cursor(4).await;
    }
    story.harness.refuse(ITEM, "k1");
    story.mixed(from..11).await;
    story.harness.parked(&diku(), |parked| parked.len() == 1).await;
    story.until_cursor(10).await;
    let parked: &[u64] = if from == 1 { &[1, 3, 5] } else { &[3, 5] };
    story.until_left(&[parked, &[6, 9, 10]].concat()).await;
    story.harness.allow_all();
    story.erase("k1").await;
    story.until_cursor(11).await;
    story.harness.parked(&diku(), ended).await;
    story.mixed(12..14).await;
    story.until_cursor(13).await;
    story.until_left_for_good(&[parked, &[6, 9, 11, 12, 13]].concat()).await;
    (story, followers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_event_stays_as_long_as_an_event_that_it_has_emptied() {
    let (story, followers) = erased_while_parked(1).await;
    story.clock.set(NOON.after(LATER_MS));
    story.mixed(14..15).await;
    story.until_left(&[3, 6, 9, 12, 14]).await;
    followers.stop().await;
}

/// One of the record's events has left the log before it was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_walks_the_log_again_comes_to_the_erased_event() {
    let (story, followers) = erased_while_parked(5).await;
    followers.stop().await;
    let kafka = Arc::new(story.harness.kafka.clone());
    let documents = Arc::new(FakeDocuments::new("hexkit"));
    let sinks = Sinks::default().with_kafka(kafka).with(documents.clone());
    // An operator accepts that some are gone.
    story.begin(&*documents).await;
    let followers = Followers::start(&story.harness.parts, &sinks);
    // It holds what it has not passed, and the log has no more events of the record afterwards.
    story.until_left(&[3, 6, 9, 12, 13]).await;
    followers.stop().await;
    let parked = story.harness.store.parked(&diku(), &Follower::hexkit()).await.unwrap();
    let ends: Vec<_> = parked.iter().map(|it| (it.position.number(), it.state)).collect();
    assert_eq!(ends, [(5, State::Discarded(position(10)))]);
    let known = documents.state(|state| state.documents.len());
    assert_eq!(known, 5, "the ERASED event replaces the record, and 13 the ERASED event");
}

/// The last event of a key that was not deleted stays, until the key is erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_there_leaves_the_log_with_its_erased_event() {
    let items = TopicSettings { delete_all: DeleteAllMode::Expand, ..not_stored() };
    let story = Story::new(items).await;
    let followers = story.harness.follow();
    story
        .append([("k1", 1), ("k1", 2), ("k2", 3)].map(|(k, id)| draft(&diku(), ITEM, k, id)))
        .await;
    story.append([draft(&diku(), LOAN, "l", 4)]).await;
    story.until_left(&[2, 3, 4]).await;
    story.erase("k1").await;
    story.until_cursor(5).await;
    story.append([draft(&diku(), LOAN, "l", 6)]).await;
    story.until_cursor(6).await;
    story.until_left_for_good(&[2, 3, 4, 5, 6]).await;
    story.clock.set(NOON.after(LATER_MS));
    story.append([draft(&diku(), LOAN, "l", 7)]).await;
    story.until_left(&[3, 4, 6, 7]).await;
    followers.stop().await;
}

/// Nothing is compacted by an ERASED event that was discarded with its topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_event_that_was_discarded_stays_in_a_compacted_topic() {
    let items = TopicSettings { log_retention: Some(LogRetention::Ms(DAY_MS)), ..compacted() };
    let story = Story::new(items).await;
    story.harness.kafka.state(|state| state.refused_topics.insert(topic(ITEM)));
    let followers = story.harness.follow();
    story.append([draft(&diku(), ITEM, "k1", 1), draft(&diku(), ITEM, "k2", 2)]).await;
    let parked = story.harness.parked(&diku(), |parked| parked.len() == 1).await;
    story.erase("k1").await;
    story.until_cursor(3).await;
    story.harness.ask(&parked[0], Request::Discard).await;
    story.harness.parked(&diku(), ended).await;
    story.harness.allow_all();
    let delete = Draft { content: deleted("{}"), ..draft(&diku(), ITEM, "k2", 4) };
    story.append([delete, draft(&diku(), LOAN, "l", 5)]).await;
    story.until_left(&[1, 3, 4, 5]).await;
    story.days(2);
    story.until_left(&[1, 3, 5]).await;
    story.append([draft(&diku(), ITEM, "k1", 6), draft(&diku(), LOAN, "l", 7)]).await;
    story.until_left(&[5, 6, 7]).await;
    followers.stop().await;
}

/// More steps than one are needed for what a record has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_event_goes_in_the_step_of_the_last_event_before_it_or_in_a_later_one() {
    for others in [3, 700] {
        let story = Story::new(kept_for_a_day()).await;
        let followers = story.harness.follow();
        let of = |id: u128| if id <= 100 { "k1".to_owned() } else { format!("o{id}") };
        let last = 100 + others;
        story.append((1..=last).map(|id| draft(&diku(), ITEM, &of(id), id))).await;
        story.erase("k1").await;
        let last = u64::try_from(last).unwrap();
        story.until_cursor(last + 1).await;
        story.append([draft(&diku(), LOAN, "l", 9_999)]).await;
        story.until_cursor(last + 2).await;
        story.days(2);
        story.until_left(&[last + 2]).await;
        followers.stop().await;
    }
}
