//! Holds of groups: what a subscription has not committed stays in the log, up to a limit.

use std::sync::Arc;

use crash::until;
use event_gateway::clock::{Clock, Manual};
use event_gateway::domain::entity::{LogRetention, TopicSettings};
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::subscription::{Form, Gaps, Group, Start};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::follow::Followers;
use event_gateway::sink::Sinks;
use event_gateway::subscribe::Groups;

use crate::support::harness::Harness;
use crate::support::ids::{diku, position};
use crate::support::parking::{ITEM, LOAN, draft};
use crate::support::restore::settings_with;
use crate::support::trail::by;

const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_group_has_not_committed_stays_until_it_is_too_old() {
    let clock = Arc::new(Manual::new(Time::from_ms(1_700_000_000_000)));
    let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
    let kept_for_a_day = Some(LogRetention::Ms(DAY_MS));
    let items = TopicSettings { log_retention: kept_for_a_day, ..TopicSettings::default() };
    harness.parts.settings = Arc::new(settings_with(items));
    harness.parts.clock = clock.clone();
    let drafts = (1..=5).map(|id| draft(&diku(), if id == 4 { LOAN } else { ITEM }, "k", id));
    harness.append(&diku(), drafts.collect()).await;
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
    let left = async |expected: &[u64]| {
        until(&format!("{expected:?} are left"), async || {
            let log = harness.log(&diku()).await;
            log.iter().map(|event| event.position.number()).eq(expected.iter().copied())
        })
        .await;
    };
    clock.set(clock.now().after(2 * DAY_MS));
    left(&[3, 4, 5]).await;
    clock.set(clock.now().after(2 * DAY_MS));
    left(&[4]).await;
    followers.stop().await;
}
