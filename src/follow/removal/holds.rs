//! The holds: who keeps events of a log from being removed, and from which position on.
//!
//! Each follower that may still need events of a log adds its own here. Removal asks before every
//! step.

use crate::domain::filter::TopicPattern;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::replay::Replay;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::follow::{FollowDeps, page_scan, store};
use crate::store::{FoundSubscription, Scan, Stand, Store, TenantLog};

/// A part of a log that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::follow) struct Hold {
    /// The sink that needs it; `None` if another follower does.
    pub(super) sink: Option<Follower>,
    /// The first position of the part: a cursor's own row stays too.
    pub(super) from: Position,
    /// The topics of the part; an empty list stands for all.
    topics: Vec<TopicPattern>,
}

impl Hold {
    /// Returns whether the hold concerns a topic.
    pub(super) fn is_of(&self, topic: &Topic) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns the sink with the position at which it stands, if it has begun.
    pub(super) fn stand(&self) -> Option<(Follower, Position)> {
        let sink = self.sink.clone().filter(|_| self.from > Position::START)?;
        Some((sink, self.from))
    }
}

/// Returns all holds on a log. `sinks` are the configured ones.
pub(super) async fn holds(
    deps: &FollowDeps,
    sinks: &[Follower],
    enabled: &TenantLog,
) -> Result<Vec<Hold>, store::Error> {
    let stands = deps.store.stands(&enabled.tenant).await?;
    let mut holds = of_sinks(sinks, enabled, &stands);
    let replays = deps.store.open_replays(enabled.lane).await?;
    holds.extend(replays.iter().filter(|it| it.tenant == enabled.tenant).map(of_replay));
    for (found, _) in deps.store.list_subscriptions(Some(&enabled.tenant)).await? {
        holds.extend(of_group(&*deps.store, found).await?);
    }
    Ok(holds)
}

/// Returns the hold of a subscription's group: what it has not committed, or has since its first
/// dead letter, and is not older than the subscription says.
async fn of_group(
    store: &dyn Store,
    found: FoundSubscription,
) -> Result<Option<Hold>, store::Error> {
    let FoundSubscription { tenant, group, subscription, now, .. } = found;
    let Some(age_max) = subscription.form.hold() else { return Ok(None) };
    let age_ms = i64::try_from(age_max.as_millis()).unwrap_or(i64::MAX);
    let oldest = Time::from_ms(now.as_ms().saturating_sub(age_ms));
    let scan = Scan { from: Some(oldest), ..page_scan(1) };
    let dead = store.list_dead_letters(&tenant, &group, Position::START, 1).await?;
    let first = dead.iter().map(|letter| letter.position.before());
    let after = first.fold(subscription.position, Position::min);
    let slices = store.read(&[(tenant, after.into())], &scan).await?;
    let first = slices.first().and_then(|slice| slice.events.first());
    let topics = subscription.form.filter.topics;
    Ok(first.map(|first| Hold { sink: None, from: first.position, topics }))
}

/// Returns the hold of an open replay: the events after its position. A replay to its own topics
/// also holds those that it has passed, since it finds the keys that it has sent by them if it ends
/// early.
fn of_replay(replay: &Replay) -> Hold {
    let Replay { plan, progress, .. } = replay;
    let from = if replay.is_to_own_topics() { plan.after } else { progress.position };
    let topics = plan.topics.iter().map(TopicPattern::exact).collect();
    Hold { sink: None, from: from.min(progress.position), topics }
}

/// Returns the holds of the sinks: those that are configured, and those that were and are not
/// forgotten, which another replica may still be configured with.
fn of_sinks(sinks: &[Follower], enabled: &TenantLog, stands: &[Stand]) -> Vec<Hold> {
    let positions = positions(sinks, enabled, stands).into_iter();
    positions.map(|(sink, from)| Hold { sink: Some(sink), from, topics: Vec::new() }).collect()
}

/// Returns the position in a log up to which each sink has passed it: those that are configured,
/// and those that were and are not forgotten. `sinks` are the configured ones.
pub(in crate::follow) fn positions(
    sinks: &[Follower],
    enabled: &TenantLog,
    stands: &[Stand],
) -> Vec<(Follower, Position)> {
    let is_missing = |sink: &&Follower| stands.iter().all(|(follower, _)| follower != *sink);
    let begin = sinks.iter().filter(is_missing).map(|sink| (sink.clone(), Position::START));
    let stand = stands.iter().map(|(sink, cursor)| (sink.clone(), enabled.passed_by(*cursor)));
    stand.chain(begin).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Follower, Position, TenantLog, of_sinks};
    use crate::domain::cursor::Cursor;
    use crate::domain::lane::Lane;
    use crate::domain::position::LogId;
    use crate::domain::tenant::TenantId;

    #[test]
    fn every_sink_holds_from_its_cursor_on_configured_or_not_and_from_the_start_without_one() {
        let at = Position::from_column;
        let log_id = LogId::new(Uuid::max());
        let enabled = TenantLog {
            tenant: TenantId::parse("diku").unwrap(),
            log_id,
            lane: Lane::new(0),
            head: at(9),
            is_enabled: true,
        };
        let cursor = |log_id, position| Cursor { position: at(position), ..Cursor::start(log_id) };
        let follower = |name: &str| Follower::parse(name).unwrap();
        let stands = [
            (follower("relay"), Some(cursor(log_id, 7))),
            (follower("gone"), Some(cursor(log_id, 5))),
            (follower("former"), Some(cursor(LogId::new(Uuid::nil()), 8))),
            (follower("elsewhere"), None),
        ];
        let holds = of_sinks(&[follower("relay"), follower("new")], &enabled, &stands);
        let from =
            |name: &str| holds.iter().find(|hold| hold.sink == Some(follower(name))).unwrap().from;
        assert_eq!((from("relay"), from("gone")), (at(7), at(5)));
        assert_eq!([from("former"), from("new"), from("elsewhere")], [Position::START; 3]);
    }
}
