//! `POST /erasures` and `GET /erasures`: requests to take a record's content out of the log.
//!
//! It hands requests to `follow::erasure::submit`, and shows the store's rows. One replica begins
//! with a request within a second.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::turn::{self, turn};
use super::{object, path, schema};
use crate::access::permission::{GetErasure, ListErasures, SubmitErasure};
use crate::domain::erasure::{self, ErasureId, ErasureRequest};
use crate::domain::position::Position;
use crate::follow::erasure::submit::{HeldBy, NotSubmitted, Outlook, Submitted};

/// All erasures of a tenant, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasures)]
struct All {
    erasures: Vec<Erasure>,
}

/// An erasure. `position` is that of its last ERASED event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Erasure {
    #[schema(format = "uuid")]
    id: String,
    /// `In progress` or `Completed`.
    status: &'static str,
    producer: String,
    /// The entity, or the name of the process event.
    name: String,
    key: String,
    reason: String,
    #[schema(format = DateTime)]
    submitted_date: String,
    #[schema(required, format = DateTime)]
    completed_date: Option<String>,
    events: u64,
    #[schema(required)]
    position: Option<u64>,
}

/// An erasure, and what is known of its end.
#[derive(Serialize, ToSchema)]
struct ErasureInDetail {
    #[serde(flatten)]
    erasure: Erasure,
    #[serde(flatten)]
    outlook: OutlookView,
}

/// The sinks that an erasure waits for, and the topics that may hold the record still.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErasureOutlook)]
struct OutlookView {
    waits_for: Vec<String>,
    topics: Vec<TopicView>,
    /// Whether the request may be mistaken, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warning: Option<String>,
}

/// A topic that may hold the record until a time; `null`: for ever, or until it is compacted.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasureTopic)]
struct TopicView {
    topic: String,
    #[schema(required, format = DateTime)]
    until: Option<String>,
    compacted: bool,
}

impl Described for SubmitErasure {
    fn describe() -> Operation {
        let operation = Operation::new(
            "The content of all events of a record is taken out of the log, for ever. Their ids, \
             positions, types and times stay. `event` instead of `entity` names a process event.",
        );
        let asked = |subject: &'static str, other: &str| {
            let needed = ["producer", subject, "key", "reason"];
            schema::object(&ErasureRequest::MEMBERS, &needed, |member| match member {
                "producer" => schema::name(),
                "key" => schema::record_key(),
                "reason" => schema::reason(),
                name if name == other => json!({ "type": "null" }),
                "entity" | "event" => schema::name(),
                other => unreachable!("{other} has no schema"),
            })
        };
        let body = json!({ "oneOf": [asked("entity", "event"), asked("event", "entity")] });
        object::describe(operation, &body)
            .answer::<ErasureInDetail>(200, "The erasure of that record that is under way.")
            .answer_header(200, "Location", "The path of the erasure.")
            .answer::<ErasureInDetail>(
                201,
                "The erasure, with who is waited for and who holds the record.",
            )
            .answer_header(201, "Location", "The path of the erasure.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled, Kind::UnknownEntity])
    }
}

impl Described for ListErasures {
    fn describe() -> Operation {
        Operation::new("The tenant's erasures.")
            .answer::<All>(200, "All of them, newest first.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled])
    }
}

impl Described for GetErasure {
    fn describe() -> Operation {
        Operation::new(
            "An erasure, which sinks it waits for, and which topics hold the record still.",
        )
        .path("id", schema::own_id())
        .answer::<ErasureInDetail>(200, "The erasure.")
        .problems(&turn::PROBLEMS)
        .problems(&[Kind::BadPath, Kind::TenantNotEnabled, Kind::UnknownErasure])
    }
}

impl From<erasure::Erasure> for Erasure {
    fn from(erasure: erasure::Erasure) -> Self {
        let status = erasure.status();
        let erasure::Erasure { id, subject, key, reason, submitted, progress, .. } = erasure;
        let (producer, name) = subject.parts();
        Self {
            id: id.to_string(),
            status,
            producer: producer.to_owned(),
            name: name.to_owned(),
            key: key.to_string(),
            reason,
            submitted_date: submitted.to_string(),
            completed_date: progress.completed.map(|time| time.to_string()),
            events: progress.events,
            position: progress.last.map(Position::number),
        }
    }
}

impl From<Outlook> for ErasureInDetail {
    fn from(outlook: Outlook) -> Self {
        let warning = outlook.warning();
        let Outlook { erasure, waits_for, held_by, .. } = outlook;
        let topics = held_by.into_iter().map(|HeldBy { topic, until, compacted }| TopicView {
            topic: topic.to_string(),
            until: until.map(|time| time.to_string()),
            compacted,
        });
        let outlook = OutlookView {
            waits_for: waits_for.iter().map(ToString::to_string).collect(),
            topics: topics.collect(),
            warning,
        };
        Self { erasure: erasure.into(), outlook }
    }
}

pub(super) async fn submit(
    context: Allowed<SubmitErasure>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let asked = object::read(&request, &gateway, tenant, ErasureRequest::parse).await?;
    let _turn = turn(&gateway, tenant).await?;
    let (mut answer, erasure) =
        match gateway.deps.erasures.submit(tenant, &asked, &context.act()).await? {
            Submitted::New(erasure) => {
                gateway.deps.metrics.acted(context.act().act);
                (HttpResponse::Created(), erasure)
            }
            Submitted::InProgress(erasure) => (HttpResponse::Ok(), erasure),
        };
    let place = format!("/erasures/{}", erasure.id);
    tracing::info!(%tenant, id = %erasure.id, "an erasure was requested");
    let outlook = gateway.deps.erasures.outlook(erasure).await?;
    Ok(answer.insert_header(("Location", place)).json(ErasureInDetail::from(outlook)))
}

pub(super) async fn all(
    context: Allowed<ListErasures>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    let erasures = gateway.deps.store.erasures(tenant).await?;
    Ok(HttpResponse::Ok().json(All { erasures: erasures.into_iter().map(Erasure::from).collect() }))
}

pub(super) async fn get(
    context: Allowed<GetErasure>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [segment] = path::segments(&request, 1)?;
    let id = ErasureId::parse(&segment).map_err(|_| {
        Problem::bad_path(&segment, "must be the id of an erasure: a hyphenated UUID")
    })?;
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    let found = gateway.deps.store.find_erasure(tenant, id).await?;
    let erasure = found.ok_or(Problem::UnknownErasure(id))?;
    let outlook = gateway.deps.erasures.outlook(erasure).await?;
    Ok(HttpResponse::Ok().json(ErasureInDetail::from(outlook)))
}

impl From<NotSubmitted> for Problem {
    fn from(error: NotSubmitted) -> Self {
        match error {
            NotSubmitted::Store(error) => error.into(),
            NotSubmitted::NotEnabled(tenant) => Self::TenantNotEnabled(tenant),
            NotSubmitted::Unknown(unknown) => Self::UnknownEntity(unknown),
        }
    }
}
