//! Holds of groups: what a subscription has not committed stays in the log, up to a limit.

use std::sync::Arc;

use crash::until;
use event_gateway::clock::{Clock, Manual};
use event_gateway::domain::entity::{LogRetention, TopicSettings};
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::floors::AcceptedGaps;
use event_gateway::domain::subscription::{Form, Gaps, Group, Start, Subscription};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::follow::Followers;
use event_gateway::sink::Sinks;
use event_gateway::store::{DeadChange, SubscriptionChange};
use event_gateway::subscribe::Groups;

use crate::support::handled_groups::{failed, handled, joined, search};
use crate::support::harness::Harness;
use crate::support::ids::{diku, position};
use crate::support::parking::{ITEM, LOAN, draft};
use crate::support::restore::settings_with;
use crate::support::trail::by;

const DAY_MS: i64 = 86_400_000;

/// Makes a log of items that are kept for a day, and one loan at position 4.
async fn kept_for_a_day(clock: &Arc<Manual>) -> Harness {
    let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
    let kept_for_a_day = Some(LogRetention::Ms(DAY_MS));
    let items = TopicSettings { log_retention: kept_for_a_day, ..TopicSettings::default() };
    harness.parts.settings = Arc::new(settings_with(items));
    harness.parts.clock = clock.clone();
    let drafts = (1..=5).map(|id| draft(&diku(), if id == 4 { LOAN } else { ITEM }, "k", id));
    harness.append(&diku(), drafts.collect()).await;
    harness
}

/// Waits until these positions are left in the log.
async fn left(harness: &Harness, expected: &[u64]) {
    until(&format!("{expected:?} are left"), async || {
        let log = harness.log(&diku()).await;
        log.iter().map(|event| event.position.number()).eq(expected.iter().copied())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_group_has_not_committed_stays_until_it_is_too_old() {
    let clock = Arc::new(Manual::new(Time::from_ms(1_700_000_000_000)));
    let harness = kept_for_a_day(&clock).await;
    let put = async |group: &str, pattern: &str, at, hold_seconds| {
        let topics = vec![TopicPattern::parse(pattern).unwrap()];
        let filter = Filter { topics, ..Filter::default() };
        let form = Form { filter, hold_seconds, ..Form::default() };
        let group = Group::parse(group).unwrap();
        let groups = Groups { store: &*harness.store, settings: &harness.parts.settings };
        let start = Start::Position(position(at), Gaps::Refuse);
        groups.put(&diku(), &group, &form, start, &by(Act::PutSubscription)).await.unwrap();
    };
    put("cg.holds", ITEM, 2, 3 * 86_400).await;
    put("cg.holds-nothing", ITEM, 0, 0).await;
    put("cg.of-others", LOAN, 0, 9 * 86_400).await;
    let followers = Followers::start(&harness.parts, &Sinks::default());
    clock.set(clock.now().after(2 * DAY_MS));
    left(&harness, &[3, 4, 5]).await;
    clock.set(clock.now().after(2 * DAY_MS));
    left(&harness, &[4]).await;
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_since_a_dead_letter_stays_until_it_is_too_old() {
    let clock = Arc::new(Manual::new(Time::from_ms(1_700_000_000_000)));
    let harness = kept_for_a_day(&clock).await;
    let form = Form { hold_seconds: 3 * 86_400, ..handled() };
    let change = SubscriptionChange {
        tenant: diku(),
        group: search(),
        version: 0,
        next: Some(Subscription::new(form, position(5), AcceptedGaps::default())),
        dead: vec![DeadChange::Put(failed(2, "k")), DeadChange::Put(joined(3, "k"))],
        by: None,
    };
    assert_eq!(harness.store.change_subscriptions(&[change]).await.unwrap(), [true]);
    let followers = Followers::start(&harness.parts, &Sinks::default());
    clock.set(clock.now().after(2 * DAY_MS));
    left(&harness, &[2, 3, 4, 5]).await;
    clock.set(clock.now().after(2 * DAY_MS));
    left(&harness, &[4]).await;
    followers.stop().await;
}
