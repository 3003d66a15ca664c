//! `POST /erasures` and `GET /erasures`: requests to take a record's content out of the log.
//!
//! It hands requests to `follow::erasure::submit`, and shows the store's rows. One replica begins
//! with a request within a second.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::permission::{GetErasure, ListErasures, SubmitErasure};
use super::problem::Problem;
use super::turn::turn;
use super::{object, path};
use crate::domain::erasure::{self, ErasureId, ErasureRequest};
use crate::domain::position::Position;
use crate::follow::erasure::submit::{HeldBy, NotSubmitted, Outlook, Submitted};

/// All erasures of a tenant, newest first.
#[derive(Serialize)]
struct All {
    erasures: Vec<Erasure>,
}

/// An erasure. `position` is that of its last ERASED event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Erasure {
    id: String,
    status: &'static str,
    producer: String,
    name: String,
    key: String,
    reason: String,
    submitted_date: String,
    completed_date: Option<String>,
    events: u64,
    position: Option<u64>,
    #[serde(flatten)]
    outlook: Option<OutlookView>,
}

/// The sinks that an erasure waits for, and the topics that may hold the record still.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutlookView {
    waits_for: Vec<String>,
    topics: Vec<TopicView>,
    /// Whether the request may be mistaken, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// A topic that may hold the record until a time; `null`: for ever, or until it is compacted.
#[derive(Serialize)]
struct TopicView {
    topic: String,
    until: Option<String>,
    compacted: bool,
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
            outlook: None,
        }
    }
}

impl From<Outlook> for Erasure {
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
        Self { outlook: Some(outlook), ..Self::from(erasure) }
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
    Ok(answer.insert_header(("Location", place)).json(Erasure::from(outlook)))
}

pub(super) async fn all(
    context: Allowed<ListErasures>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let erasures = gateway.deps.store.erasures(context.enabled(&gateway).await?).await?;
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
    let found = gateway.deps.store.find_erasure(tenant, id).await?;
    let erasure = found.ok_or(Problem::UnknownErasure(id))?;
    let outlook = gateway.deps.erasures.outlook(erasure).await?;
    Ok(HttpResponse::Ok().json(Erasure::from(outlook)))
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
