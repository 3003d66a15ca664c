//! `POST /replays`, `GET /replays`, and operators' wishes for a replay: to pause, resume or cancel
//! it.
//!
//! It hands requests to `follow::replay::submit`, and shows the store's rows. The tenant's lane
//! begins with a request within a second, whichever replica runs it.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::context::TenantContext;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema::{self, Schema};
use super::turn::{self, turn};
use super::{object, path};
use crate::access::permission::{
    CancelReplay, GetReplay, ListReplays, PauseReplay, ResumeReplay, SubmitReplay,
};
use crate::domain::follower::Follower;
use crate::domain::json::Raw;
use crate::domain::position::Position;
use crate::domain::replay::{self, Rate, ReplayId, ReplayRequest, Timestamp, Wish};
use crate::domain::trail::TrailEntry;
use crate::domain::violation::Violation;
use crate::follow::parking::requests;
use crate::follow::replay::Count;
use crate::follow::replay::submit::{NotHeeded, NotSubmitted, Submitted};

/// All replays of a tenant, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Replays)]
struct All {
    replays: Vec<Replay>,
}

/// A replay, with FOLIO's words for its status and its counter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Replay {
    #[schema(format = "uuid")]
    id: String,
    /// `In progress`, `Paused`, `Cancellation pending`, `Completed`, `Failed` or `Cancelled`.
    status: &'static str,
    messages_published: u64,
    /// About how many events it will send.
    #[schema(required)]
    total: Option<u64>,
    bytes_published: u64,
    skipped: u64,
    position: u64,
    #[schema(format = DateTime)]
    submitted_date: String,
    #[schema(required, format = DateTime)]
    ended_date: Option<String>,
    #[schema(required)]
    cause: Option<String>,
    topics: Vec<String>,
    keys: Vec<String>,
    types: Vec<String>,
    #[schema(required, format = DateTime)]
    from: Option<String>,
    #[schema(required, format = DateTime)]
    to: Option<String>,
    after: u64,
    #[schema(required)]
    until: Option<u64>,
    pending_only: bool,
    #[schema(required)]
    target: Option<String>,
    timestamp: &'static str,
    rate: RateView,
    skip_refused: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rate)]
struct RateView {
    #[schema(required)]
    events_per_second: Option<u32>,
    #[schema(required)]
    bytes_per_second: Option<u64>,
}

impl Described for SubmitReplay {
    fn describe() -> Operation {
        let operation = Operation::new(
            "Events of the log are published once more: to the topics that they were published to, \
             or to `target`. Without a target, what would leave an older record as the last one of \
             its key is refused. Every member is optional; of each list, one item must match.",
        );
        let created = "The replay, which the tenant's lane carries out.";
        object::describe(operation, &asked())
            .answer::<DryRun>(200, "The count of a dry run.")
            .answer::<Replay>(201, created)
            .answer_header(201, "Location", "The path of the replay.")
            .problems(&turn::PROBLEMS)
            .problems(&[
                Kind::TenantNotEnabled,
                Kind::RelayStopped,
                Kind::NoBroker,
                Kind::BrokerUnavailable,
                Kind::EventsRemoved,
                Kind::ReplaysOverlap,
            ])
    }
}

/// Returns the schema of the request that `ReplayRequest` parses.
fn asked() -> Schema {
    let listed = |items: Schema| {
        let mut list = schema::list(&items, ReplayRequest::ITEMS_MAX);
        list["minItems"] = json!(1);
        list
    };
    schema::object(&ReplayRequest::MEMBERS, &[], |member| match member {
        "topics" => listed(schema::topic_pattern()),
        "keys" => listed(schema::key()),
        "types" => listed(schema::event_type()),
        "from" => schema::about(schema::time(), "The earliest time."),
        "to" => schema::about(schema::time(), "The time before which the events are."),
        "positions" => schema::object(&ReplayRequest::POSITIONS, &[], |_| {
            schema::whole(1, Position::MAX.number())
        }),
        "target" => schema::about(schema::topic(), "Another topic of the tenant."),
        "timestamp" => schema::words(&Timestamp::WORDS),
        "rate" => rate(),
        "pendingOnly" | "skipRefused" | "dryRun" => schema::flag(),
        other => unreachable!("{other} has no schema"),
    })
}

fn rate() -> Schema {
    schema::object(&Rate::MEMBERS, &[], |member| match member {
        "eventsPerSecond" => schema::whole(1, u64::from(u32::MAX)),
        "bytesPerSecond" => schema::whole(1, i64::MAX.cast_unsigned()),
        other => unreachable!("{other} has no schema"),
    })
}

impl Described for ListReplays {
    fn describe() -> Operation {
        Operation::new("The tenant's replays.")
            .answer::<All>(200, "All of them, newest first.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled])
    }
}

impl Described for GetReplay {
    fn describe() -> Operation {
        one(Operation::new("A replay, and how far it is.")).answer::<Replay>(200, "The replay.")
    }
}

impl Described for PauseReplay {
    fn describe() -> Operation {
        wished(Operation::new("The replay waits until it is resumed."), &[])
    }
}

impl Described for ResumeReplay {
    fn describe() -> Operation {
        wished(Operation::new("The replay goes on; it may get another rate."), &["rate"])
    }
}

impl Described for CancelReplay {
    fn describe() -> Operation {
        wished(Operation::new("The replay ends, once no key is left behind by it."), &[])
    }
}

/// Describes a request to change a replay; only `rate` may be a member of its body.
fn wished(operation: Operation, members: &[&'static str]) -> Operation {
    object::describe(one(operation), &schema::object(members, &[], |_| rate()))
        .answer::<Replay>(202, "The request is noted; the lane heeds it within a second.")
        .problems(&[Kind::ReplayEnded])
}

/// Describes what is about one replay.
fn one(operation: Operation) -> Operation {
    operation.path("id", schema::own_id()).problems(&[
        Kind::BadPath,
        Kind::TenantNotEnabled,
        Kind::UnknownReplay,
    ])
}

impl From<replay::Replay> for Replay {
    fn from(replay: replay::Replay) -> Self {
        let status = replay.status();
        let replay::Replay { id, submitted, plan, until, total, rate, progress, .. } = replay;
        Self {
            id: id.to_string(),
            status,
            messages_published: progress.sent.events,
            total,
            bytes_published: progress.sent.bytes,
            skipped: progress.sent.skipped,
            position: progress.position.number(),
            submitted_date: submitted.to_string(),
            ended_date: progress.ended.map(|(_, at)| at.to_string()),
            cause: progress.cause,
            topics: plan.topics.iter().map(ToString::to_string).collect(),
            keys: plan.keys.iter().map(ToString::to_string).collect(),
            types: plan.types,
            from: plan.from.map(|time| time.to_string()),
            to: plan.to.map(|time| time.to_string()),
            after: plan.after.number(),
            until: until.map(Position::number),
            pending_only: plan.pending_only,
            target: plan.target.map(|target| target.topic.to_string()),
            timestamp: plan.timestamp.as_str(),
            rate: RateView {
                events_per_second: rate.events_per_second,
                bytes_per_second: rate.bytes_per_second,
            },
            skip_refused: plan.skip_refused,
        }
    }
}

/// The count of a dry run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DryRun {
    dry_run: bool,
    events: u64,
    bytes: u64,
    vanishing: u64,
    topics: Vec<TopicCount>,
}

/// The events of one topic; `vanishing` ones are older than the topic keeps records.
#[derive(Serialize, ToSchema)]
struct TopicCount {
    topic: String,
    events: u64,
    bytes: u64,
    vanishing: u64,
}

impl From<Count> for DryRun {
    fn from(count: Count) -> Self {
        let total = count.total();
        let topics = count.topics.into_iter().map(|(topic, one)| TopicCount {
            topic: topic.to_string(),
            events: one.events,
            bytes: one.bytes,
            vanishing: one.vanishing,
        });
        Self {
            dry_run: true,
            events: total.events,
            bytes: total.bytes,
            vanishing: total.vanishing,
            topics: topics.collect(),
        }
    }
}

pub(super) async fn submit(
    context: Allowed<SubmitReplay>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let prefix = gateway.deps.settings.target_prefix(tenant);
    let parse = |raw: &Raw| ReplayRequest::parse(raw, &prefix);
    let asked = object::read(&request, &gateway, tenant, parse).await?;
    if let Some(why) = requests::stopped(&gateway.deps.health, &Follower::relay(), tenant) {
        return Err(Problem::RelayStopped { why });
    }
    let _turn = turn(&gateway, tenant).await?;
    let submitted = gateway.deps.replays.submit(tenant, &asked, &context.act()).await;
    let told = |refused: NotSubmitted| match context.sees_others {
        true => refused,
        false => refused.unnamed(tenant),
    };
    match submitted.map_err(told)? {
        Submitted::Count(count) => Ok(HttpResponse::Ok().json(DryRun::from(count))),
        Submitted::Replay(replay) => {
            gateway.deps.metrics.acted(context.act().act);
            let place = format!("/replays/{}", replay.id);
            Ok(HttpResponse::Created()
                .insert_header(("Location", place))
                .json(Replay::from(*replay)))
        }
    }
}

pub(super) async fn all(
    context: Allowed<ListReplays>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    let replays = gateway.deps.store.replays(tenant).await?;
    Ok(HttpResponse::Ok().json(All { replays: replays.into_iter().map(Replay::from).collect() }))
}

pub(super) async fn get(
    context: Allowed<GetReplay>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let id = id(&request)?;
    let found = gateway.deps.store.find_replay(context.enabled(&gateway).await?, id).await?;
    let replay = found.ok_or(Problem::UnknownReplay(id))?;
    Ok(HttpResponse::Ok().json(Replay::from(replay)))
}

pub(super) async fn pause(
    context: Allowed<PauseReplay>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    wish(&context, (Wish::Pause, &context.act()), &request, &gateway).await
}

pub(super) async fn resume(
    context: Allowed<ResumeReplay>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    wish(&context, (Wish::Run, &context.act()), &request, &gateway).await
}

pub(super) async fn cancel(
    context: Allowed<CancelReplay>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    wish(&context, (Wish::Cancel, &context.act()), &request, &gateway).await
}

/// Stores an operator's request to pause, resume or cancel. A replay that is resumed may get
/// another rate.
async fn wish(
    context: &TenantContext,
    (wish, by): (Wish, &TrailEntry),
    request: &HttpRequest,
    gateway: &Shared,
) -> Result<HttpResponse, Problem> {
    let (id, tenant) = (id(request)?, context.enabled(gateway).await?);
    let parse = if wish == Wish::Run { Rate::parse } else { replay::no_members };
    let rate = object::read(request, gateway, tenant, parse).await?;
    let replay = gateway.deps.replays.wish(tenant, id, wish, rate, by).await?;
    gateway.deps.metrics.acted(by.act);
    tracing::info!(%tenant, %id, wish = wish.as_str(), "an operator requested a change of a replay");
    Ok(HttpResponse::Accepted().json(Replay::from(replay)))
}

fn id(request: &HttpRequest) -> Result<ReplayId, Problem> {
    let [segment] = path::segments(request, 1)?;
    ReplayId::parse(&segment)
        .map_err(|_| Problem::bad_path(&segment, "must be the id of a replay: a hyphenated UUID"))
}

impl From<NotSubmitted> for Problem {
    fn from(error: NotSubmitted) -> Self {
        match error {
            NotSubmitted::Store(error) => error.into(),
            NotSubmitted::Sink(error) => Self::BrokerUnavailable { why: error.to_string() },
            NotSubmitted::NoBroker => Self::NoBroker,
            NotSubmitted::NotEnabled(tenant) => Self::TenantNotEnabled(tenant),
            NotSubmitted::Refused(violations) => Self::IllegalRequest(violations),
            NotSubmitted::Taken { message, .. } => Self::IllegalRequest(vec![Violation::new(
                "/target".to_owned(),
                "illegal-target",
                message,
            )]),
            NotSubmitted::Removed(gap) => Self::ReplayRemoved(gap),
            NotSubmitted::Overlaps { id, topic } => Self::ReplaysOverlap { id, topic },
        }
    }
}

impl From<NotHeeded> for Problem {
    fn from(error: NotHeeded) -> Self {
        match error {
            NotHeeded::Store(error) => error.into(),
            NotHeeded::Unknown(id) => Self::UnknownReplay(id),
            NotHeeded::Ended { id, status } => Self::ReplayEnded { id, status },
        }
    }
}
