//! `GET /parked`, and what an operator asks for what stays behind: to release it, or to discard it.
//!
//! Fed by the store's rows; feeds the store with what is requested, which the lane that has it
//! begins within a second, whichever replica that is on.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::context::TenantContext;
use super::gateway::Shared;
use super::problem::Problem;
use super::{body, media_type, path};
use crate::domain::event::EventId;
use crate::domain::json::Raw;
use crate::domain::parked::{self, Request};
use crate::domain::position::Position;
use crate::health::Component;

/// What a tenant has parked, in order of position.
#[derive(Serialize)]
struct All {
    parked: Vec<Parked>,
}

/// A key of a topic that stays behind, or with `key` null the whole topic.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parked {
    id: String,
    topic: String,
    key: Option<String>,
    position: u64,
    state: &'static str,
    events: u64,
    cause: String,
    time: String,
    ended: Option<u64>,
    requested: Option<&'static str>,
    reason: Option<String>,
}

impl From<parked::Parked> for Parked {
    fn from(parked: parked::Parked) -> Self {
        Self {
            id: parked.event_id.to_string(),
            topic: parked.topic.to_string(),
            key: parked.key.map(|key| key.to_string()),
            position: parked.position.number(),
            state: parked.state.as_str(),
            events: parked.events,
            cause: parked.cause,
            time: parked.time.to_string(),
            ended: parked.state.ended().map(Position::number),
            requested: parked.requested.map(Request::as_str),
            reason: parked.reason,
        }
    }
}

pub(super) async fn all(context: TenantContext, gateway: Shared) -> Result<HttpResponse, Problem> {
    let parked = gateway.deps.store.parked(context.tenant()).await?;
    Ok(HttpResponse::Ok().json(All { parked: parked.into_iter().map(Parked::from).collect() }))
}

pub(super) async fn release(
    context: TenantContext,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    ask(&context, &request, &gateway, Request::Release).await
}

pub(super) async fn discard(
    context: TenantContext,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    ask(&context, &request, &gateway, Request::Discard).await
}

async fn ask(
    context: &TenantContext,
    request: &HttpRequest,
    gateway: &Shared,
    requested: Request,
) -> Result<HttpResponse, Problem> {
    let [segment] = path::segments(request, 1)?;
    let id = EventId::parse(&segment).map_err(|_| {
        Problem::bad_path(&segment, "must be the id of what is parked: a hyphenated UUID")
    })?;
    let body = body::read(request, gateway, context.tenant()).await?;
    let given = if body.bytes.is_empty() { "{}".into() } else { body.bytes.clone() };
    if !body.bytes.is_empty() {
        media_type::json(request)?;
    }
    let raw = Raw::parse(&given).map_err(|e| Problem::syntax(None, String::new(), e))?;
    let reason = parked::reason(&raw, requested).map_err(Problem::Illegal)?;
    let (store, tenant) = (&gateway.deps.store, context.tenant());
    if let Some(why) = gateway.deps.health.cause_of(&Component::Log(tenant.clone())) {
        return Err(Problem::RelayStopped { why });
    }
    let all = store.parked(tenant).await?;
    let wanted =
        all.iter().find(|parked| parked.event_id == id).ok_or(Problem::UnknownParked(id))?;
    if requested == Request::Release && wanted.waits_for_topic(all.iter()) {
        return Err(Problem::TopicParked { topic: wanted.topic.clone() });
    }
    let taken = store.request(tenant, id, requested, reason.as_deref()).await?;
    let now = store.parked(tenant).await?.into_iter().find(|parked| parked.event_id == id);
    if !taken {
        return Err(Problem::NotParked {
            id,
            state: now.map_or(wanted.state, |parked| parked.state),
        });
    }
    tracing::info!(%tenant, %id, requested = requested.as_str(), reason, "somebody asks for what \
        is parked");
    Ok(HttpResponse::Accepted().json(now.map(Parked::from)))
}
