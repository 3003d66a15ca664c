//! The JSON of a subscription: its form as it was put, and where the group stands.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::claim::Deduplicate;
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::{Failure, Halt, Handler, Target, Webhook};
use crate::store::{DeadCount, FoundSubscription, Lag};

/// A subscription, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    group: String,
    topics: Vec<String>,
    keys: Vec<String>,
    types: Vec<String>,
    /// The headers that the events' records have.
    headers: BTreeMap<String, String>,
    auto_commit: bool,
    lease_seconds: u64,
    hold_seconds: u64,
    /// The handler that is brought the events; `null` if readers come for them.
    #[schema(required)]
    handler: Option<HandlerView>,
    /// The failure policy of the handler.
    #[schema(required)]
    failure: Option<FailureView>,
    /// The action for which events are claimed, if they are.
    #[schema(required)]
    deduplicate: Option<DeduplicateView>,
    /// The reason why the group gets no events, if it has halted.
    #[schema(required)]
    halt: Option<HaltView>,
    position: u64,
    /// The positions, by topic, up to which the group has accepted that events are missing.
    #[schema(value_type = BTreeMap<String, u64>)]
    gaps_to: serde_json::Value,
    generation: u64,
    /// The present reader, and the end of its lease.
    #[schema(required)]
    reader: Option<String>,
    #[schema(required, format = DateTime)]
    reader_until: Option<String>,
    /// The position from which a restore of the log has moved the group back.
    #[schema(required)]
    went_back_from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lag: Option<LagView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dead_letters: Option<DeadLettersView>,
    /// Whether what was put may be mistaken, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warning: Option<String>,
}

/// The positions that the group has not committed, and the age of the oldest event there.
#[derive(Serialize, ToSchema)]
#[schema(as = Lag)]
struct LagView {
    events: u64,
    seconds: f64,
}

/// The events that the group's handler failed at for good, and those that wait for them.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterCount)]
struct DeadLettersView {
    count: u64,
    /// The time of the oldest one.
    #[schema(required, format = DateTime)]
    oldest: Option<String>,
}

/// A handler: it has either `webhook` or `exec`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Handler)]
struct HandlerView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook: Option<WebhookView>,
    /// The program of an operator's file, without its arguments, which may be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exec: Option<String>,
    format: &'static str,
    concurrency: u64,
    timeout_seconds: u64,
}

/// A webhook, with the number of its secrets, which nobody is given.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
struct WebhookView {
    url: String,
    secrets: usize,
}

/// A failure policy.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Failure)]
struct FailureView {
    policy: &'static str,
    order: &'static str,
    attempts: u64,
    wait_ms: u64,
    wait_factor: u64,
    wait_ms_max: u64,
}

/// The deduplication of a handler's events: claims are kept for so many days, and with a `replayId`
/// apart from all others.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deduplicate)]
struct DeduplicateView {
    action: String,
    days: u64,
    #[schema(required)]
    replay_id: Option<String>,
}

/// The halt of a group that is paused, or has halted by itself: `position` is the event at
/// which its handler failed, if it did.
#[derive(Serialize, ToSchema)]
#[schema(as = Halt)]
struct HaltView {
    #[schema(format = DateTime)]
    since: String,
    reason: String,
    #[schema(required)]
    position: Option<u64>,
    attempts: u64,
    /// The reason of a pause that came after the failure; a skip of the event leaves the group
    /// paused.
    #[schema(required)]
    paused: Option<String>,
}

impl From<&Handler> for HandlerView {
    fn from(handler: &Handler) -> Self {
        let (webhook, exec) = match &handler.target {
            Target::Webhook(Webhook { url, secrets }) => {
                (Some(WebhookView { url: url.clone(), secrets: secrets.len() }), None)
            }
            Target::Exec(words) => (None, words.first().cloned()),
        };
        Self {
            webhook,
            exec,
            format: handler.format.as_str(),
            concurrency: handler.concurrency,
            timeout_seconds: handler.timeout_seconds,
        }
    }
}

impl From<Failure> for FailureView {
    fn from(failure: Failure) -> Self {
        Self {
            policy: failure.policy.as_str(),
            order: failure.order.as_str(),
            attempts: failure.attempts,
            wait_ms: failure.wait_ms,
            wait_factor: failure.wait_factor,
            wait_ms_max: failure.wait_ms_max,
        }
    }
}

impl From<&Deduplicate> for DeduplicateView {
    fn from(deduplicate: &Deduplicate) -> Self {
        let Deduplicate { run, days } = deduplicate;
        Self {
            action: run.action.to_string(),
            days: *days,
            replay_id: run.replay.map(|id| id.to_string()),
        }
    }
}

impl From<&Halt> for HaltView {
    fn from(halt: &Halt) -> Self {
        Self {
            since: halt.since.to_string(),
            reason: halt.why.clone(),
            position: halt.failed.map(|failed| failed.position.number()),
            attempts: halt.failed.map_or(0, |failed| failed.attempts),
            paused: halt.pause.as_ref().map(|pause| pause.why.clone()),
        }
    }
}

impl Subscription {
    pub(super) fn new(found: &FoundSubscription) -> Self {
        let FoundSubscription { group, subscription, now, .. } = found;
        let form = &subscription.form;
        let Filter { topics, keys, types, headers } = &form.filter;
        let lease = subscription.holder(*now);
        Self {
            group: group.to_string(),
            topics: topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            keys: keys.iter().map(Key::to_string).collect(),
            types: types.clone(),
            headers: headers.iter().cloned().collect(),
            auto_commit: form.auto_commit,
            lease_seconds: form.lease_seconds,
            hold_seconds: form.hold_seconds,
            handler: form.handler.as_ref().map(HandlerView::from),
            failure: form.handler.as_ref().map(|_| form.failure.into()),
            deduplicate: form.deduplicate.as_ref().map(Into::into),
            halt: subscription.halt.as_ref().map(HaltView::from),
            position: subscription.position.number(),
            gaps_to: subscription.gaps_to.to_json(),
            generation: subscription.generation,
            reader: lease.map(|lease| lease.reader.clone()),
            reader_until: lease.map(|lease| lease.expires.to_string()),
            went_back_from: subscription.went_back_from.map(Position::number),
            lag: None,
            dead_letters: None,
            warning: None,
        }
    }

    /// Shows how far the group lags, and what its handler has failed at.
    pub(super) fn with_progress(self, lag: Lag, dead: Option<&DeadCount>) -> Self {
        let lag = LagView { events: lag.events, seconds: lag.oldest.as_secs_f64() };
        let dead = DeadLettersView {
            count: dead.map_or(0, |dead| dead.count),
            oldest: dead.map(|dead| dead.oldest.to_string()),
        };
        Self { lag: Some(lag), dead_letters: Some(dead), ..self }
    }

    pub(super) fn with_warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }
}
