//! The routes of `/subscriptions`: groups that follow a tenant's log over HTTP.
//!
//! Each route hands its request to `subscribe`. `events` answers polls and begins streams, whose
//! bytes `sse` writes; `refused` makes problems of what `subscribe` refuses.

mod describe;
mod events;
mod refused;
mod sse;
mod view;

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::problem::Problem;
use super::query;
use super::turn::turn;
use super::{object, path};
use crate::access::permission::{
    CommitSubscription, DeleteSubscription, GetSubscription, LeaveSubscription, ListSubscriptions,
    PutSubscription, SeekSubscription,
};
use crate::domain::subscription::{Form, Group, Start, parse_commit};
use crate::subscribe::Put;

pub(super) use events::events;
use refused::refused;
pub(super) use refused::{kind, parameters};
use view::Subscription;

/// All subscriptions of a tenant, in order of their groups.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscriptions)]
struct All {
    subscriptions: Vec<Subscription>,
}

/// Where a group stands after a commit.
#[derive(Serialize, ToSchema)]
struct Committed {
    position: u64,
    generation: u64,
}

pub(super) async fn list(
    context: Allowed<ListSubscriptions>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    let listed = gateway.deps.subscribe.groups().list(tenant).await;
    let listed = listed.map_err(|error| refused(error, tenant))?;
    let subscriptions = listed.iter().map(|(found, lag)| Subscription::new(found, Some(*lag)));
    Ok(HttpResponse::Ok().json(All { subscriptions: subscriptions.collect() }))
}

pub(super) async fn get(
    context: Allowed<GetSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let _turn = turn(&gateway, tenant).await?;
    let groups = gateway.deps.subscribe.groups();
    let listed = groups.list(tenant).await.map_err(|error| refused(error, tenant))?;
    let Some((found, lag)) = listed.iter().find(|(found, _)| found.group == group) else {
        return Err(Problem::Subscription(crate::subscribe::Error::Unknown(group)));
    };
    Ok(HttpResponse::Ok().json(Subscription::new(found, Some(*lag))))
}

pub(super) async fn put(
    context: Allowed<PutSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let (form, start) = object::read(&request, &gateway, tenant, Form::parse).await?;
    let (groups, by) = (gateway.deps.subscribe.groups(), context.act().on(&group));
    let put = groups.put(tenant, &group, &form, start, &by).await;
    let (put, found) = put.map_err(|error| refused(error, tenant))?;
    let mut answer = match put {
        Put::Created => {
            let position = found.subscription.position;
            tracing::info!(%tenant, %group, %position, "a subscription was made");
            gateway.deps.metrics.acted(by.act);
            HttpResponse::Created()
        }
        Put::Kept => HttpResponse::Ok(),
    };
    let warning = gateway.deps.subscribe.groups().warning(tenant, &form.filter).await;
    let warning = warning.map_err(|error| refused(error, tenant))?;
    if let Some(warning) = &warning {
        tracing::warn!(%tenant, %group, "a subscription may never get an event: {warning}");
    }
    Ok(answer.json(Subscription::new(&found, None).with_warning(warning)))
}

pub(super) async fn delete(
    context: Allowed<DeleteSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let by = context.act().on(&group);
    let removed = gateway.deps.subscribe.groups().remove(tenant, &group, &by).await;
    removed.map_err(|error| refused(error, tenant))?;
    gateway.deps.metrics.acted(by.act);
    tracing::info!(%tenant, %group, "a subscription was removed");
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /subscriptions/{group}/commits`: what the reader has done with is never delivered again.
pub(super) async fn commits(
    context: Allowed<CommitSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let (position, generation) = object::read(&request, &gateway, tenant, parse_commit).await?;
    let groups = gateway.deps.subscribe.groups();
    let committed = groups.commit(tenant, &group, generation, position).await;
    let subscription = committed.map_err(|error| refused(error, tenant))?.subscription;
    let position = subscription.position.number();
    Ok(HttpResponse::Ok().json(Committed { position, generation }))
}

/// `POST /subscriptions/{group}/seek`: moves a group that nobody reads for.
pub(super) async fn seek(
    context: Allowed<SeekSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let to = object::read(&request, &gateway, tenant, Start::parse_seek).await?;
    let by = context.act().on(&group);
    let sought = gateway.deps.subscribe.groups().seek(tenant, &group, to, &by).await;
    let found = sought.map_err(|error| refused(error, tenant))?;
    gateway.deps.metrics.acted(by.act);
    tracing::info!(%tenant, %group, position = %found.subscription.position, "a group was moved");
    Ok(HttpResponse::Ok().json(Subscription::new(&found, None)))
}

/// `DELETE /subscriptions/{group}/reader?generation=n`: ends a reading, so that the next reader may
/// begin at once.
pub(super) async fn leave(
    context: Allowed<LeaveSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let generation = context.query.parsed("generation", query::number)?;
    let generation = generation.ok_or_else(|| Problem::BadQuery {
        parameter: "generation".to_owned(),
        why: "is needed: the number that the reader was given".to_owned(),
    })?;
    let by = context.act().on(&group);
    let left = gateway.deps.subscribe.groups().leave(tenant, &group, generation, Some(&by)).await;
    left.map_err(|error| refused(error, tenant))?;
    gateway.deps.metrics.acted(by.act);
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the group of the path.
fn group(request: &HttpRequest) -> Result<Group, Problem> {
    let [segment] = path::segments(request, 1)?;
    Group::parse(&segment).map_err(|invalid| Problem::bad_path(&segment, invalid.rule))
}
