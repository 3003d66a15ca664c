//! Events that are gone before a sink could have them: a sink that is configured later, or again,
//! gets nothing of the tenant until an operator lets it begin.

use std::sync::Arc;

use crash::until;
use event_gateway::domain::follower::Follower;
use event_gateway::follow::Followers;
use event_gateway::follow::gaps::begin::{self, Waiting};
use event_gateway::sink::{Sink, Sinks};

use super::{Story, compacted, kept_for_a_day};
use crate::support::fake_documents::FakeDocuments;
use crate::support::harness::drafts;
use crate::support::ids::{college, diku, log_id};
use crate::support::parking::{ITEM, draft};
use crate::support::restore::enabled;

impl Story {
    /// Lets days pass without a sink, until the log has these events alone.
    async fn without_a_sink(&self, expected: &[u64]) {
        let followers = Followers::start(&self.harness.parts, &Sinks::default());
        self.days(2);
        self.until_left(expected).await;
        followers.stop().await;
    }

    /// Publishes these events to a Kafka, which is forgotten then.
    async fn published_to_a_former_kafka(&self, ids: std::ops::Range<u128>) {
        self.mixed(ids).await;
        self.harness.publish(&[diku()]).await;
        let forgotten = self.harness.store.forget_follower(&Follower::relay(), None, None).await;
        assert_eq!(forgotten.unwrap(), Some(1));
    }

    async fn waiting(&self, sink: &dyn Sink) -> Option<Waiting> {
        begin::find(&*self.harness.store, sink, &enabled(&self.harness).await).await.unwrap()
    }

    /// Lets a sink begin; returns what was known of it before.
    pub(super) async fn begin(&self, sink: &dyn Sink) -> Waiting {
        let waiting = self.waiting(sink).await.unwrap();
        begin::accept(&*self.harness.store, sink, &waiting, "test").await.unwrap();
        assert_eq!(self.waiting(sink).await, None);
        waiting
    }

    /// Waits until a tenant is stopped, and checks that the cause says this of `ITEM`.
    async fn until_it_waits(&self, component: &str, missing: &str) {
        let why = self.harness.trouble(component).await;
        let missing = format!("never had: of {ITEM} {missing}; ");
        for told in [missing.as_str(), "`event-gateway sinks begin diku --accept`"] {
            assert!(why.contains(told), "{told}: {why}");
        }
    }

    /// Returns the positions of the tenant's records in Kafka, in order.
    fn positions(&self) -> Vec<u64> {
        self.harness.kafka.state(|state| {
            let own = state.records.iter().filter(|record| record.tenant == diku());
            own.map(|record| record.position.number()).collect()
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_events_are_gone_unpublished_waits_alone_until_an_operator_decides() {
    let story = Story::new(kept_for_a_day()).await;
    let (harness, others) = (&story.harness, [college()]);
    harness.store.enable_if_new(&others[0], log_id(2)).await.unwrap();
    story.mixed(1..8).await;
    story.without_a_sink(&[3, 6]).await;
    story.mixed(8..10).await;
    harness.append(&others[0], drafts(&others[0], 0..3)).await;
    let followers = harness.follow();
    story.until_it_waits("tenant diku", "from position 1 to 7").await;
    harness.published(&others).await;
    followers.stop().await;

    // So it does for whoever has the lane next, and nothing more is removed meanwhile.
    let followers = harness.follow();
    story.until_it_waits("tenant diku", "from position 1 to 7").await;
    story.days(2);
    story.looked().await;
    assert_eq!(story.left().await, [3, 6, 8, 9]);
    assert!(story.positions().is_empty());

    let Waiting { cursor, is_in_log, gaps, .. } = story.begin(&harness.kafka).await;
    assert_eq!((cursor, is_in_log, gaps.len()), (None, true, 1));
    story.until_cursor(9).await;
    assert_eq!(story.positions(), [3, 6, 8, 9]);
    until("nothing waits", async || !harness.parts.health.troubles().contains_key("tenant diku"))
        .await;
    // What leaves the log from now on was published.
    story.until_left(&[3, 6, 9]).await;
    followers.stop().await;
    story.mixed(10..12).await;
    let followers = harness.follow();
    story.until_cursor(11).await;
    assert_eq!(story.positions(), [3, 6, 8, 9, 10, 11]);
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sink_waits_for_nothing_that_compaction_has_replaced() {
    let story = Story::new(compacted()).await;
    story.append((1..4).map(|id| draft(&diku(), ITEM, "k", id))).await;
    story.without_a_sink(&[3]).await;
    let followers = story.harness.follow();
    story.until_cursor(3).await;
    followers.stop().await;
    assert_eq!(story.positions(), [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_was_forgotten_goes_on_after_its_cursor_once_an_operator_decides() {
    let story = Story::new(kept_for_a_day()).await;
    // The cursor stands at 3, which is a loan, and stays.
    story.published_to_a_former_kafka(1..4).await;
    story.mixed(4..7).await;
    story.without_a_sink(&[3, 6]).await;
    let followers = story.harness.follow();
    story.until_it_waits("tenant diku", "from position 4 to 5").await;
    let Waiting { cursor, is_in_log, .. } = story.begin(&story.harness.kafka).await;
    assert_eq!((cursor.unwrap().position.number(), is_in_log), (3, true));
    story.until_cursor(6).await;
    followers.stop().await;
    assert_eq!(story.positions(), [1, 2, 3, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_sink_whose_last_event_is_gone_gets_all_that_the_log_has() {
    let story = Story::new(kept_for_a_day()).await;
    // The cursor stands at 4, which is an item.
    story.published_to_a_former_kafka(1..5).await;
    story.mixed(5..8).await;
    story.without_a_sink(&[3, 6]).await;
    let followers = story.harness.follow();
    story.until_it_waits("tenant diku", "from position 5 to 7").await;
    let Waiting { cursor, is_in_log, .. } = story.begin(&story.harness.kafka).await;
    assert_eq!((cursor.unwrap().position.number(), is_in_log), (4, false));
    story.until_cursor(6).await;
    followers.stop().await;
    assert_eq!(story.positions(), [1, 2, 3, 4, 3, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sink_that_comes_later_waits_and_holds_up_no_other() {
    let story = Story::new(kept_for_a_day()).await;
    let followers = story.harness.follow();
    story.mixed(1..5).await;
    story.until_cursor(4).await;
    story.days(2);
    // The relay's cursor stands at 4, which is an item.
    story.until_left(&[3, 4]).await;
    followers.stop().await;
    let documents = FakeDocuments::new("hexkit");
    let kafka = Arc::new(story.harness.kafka.clone());
    let sinks = Sinks::default().with_kafka(kafka).with(Arc::new(documents.clone()));
    let followers = Followers::start(&story.harness.parts, &sinks);
    story.until_it_waits("hexkit: tenant diku", "from position 1 to 2").await;
    story.mixed(5..7).await;
    story.until_cursor(6).await;
    assert!(documents.state(|state| state.documents.is_empty()));
    story.begin(&documents).await;
    let hexkit = Follower::parse("hexkit").unwrap();
    until("the collection has what the log has", async || {
        let cursor = story.harness.store.load(&diku(), &hexkit).await.unwrap();
        cursor.is_some_and(|cursor| cursor.position.number() == 6)
    })
    .await;
    followers.stop().await;
    assert_eq!(documents.state(|state| state.documents.len()), 4);
}
