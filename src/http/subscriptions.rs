//! The routes of `/subscriptions`: groups that follow a tenant's log over HTTP.
//!
//! Each route hands its request to `subscribe`. `events` answers polls and begins streams, whose
//! bytes `sse` writes; `refused` makes problems of what `subscribe` refuses.

mod dead_letters;
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
    CommitSubscription, DeleteSubscription, DiscardDeadLetters, GetSubscription, LeaveSubscription,
    ListSubscriptions, PauseSubscription, PutSubscription, ReadSubscription, ResumeSubscription,
    SeekSubscription, SkipEvent,
};
use crate::domain::subscription::{
    Group, PutRequest, Start, parse_commit, parse_pause, parse_skip,
};
use crate::domain::tenant::TenantId;
use crate::domain::text;
use crate::domain::trail::TrailEntry;
use crate::store::{DeadCount, FoundSubscription};
use crate::subscribe::Put;

pub(super) use dead_letters::{
    discard as discard_dead_letters, get as get_dead_letter, list as list_dead_letters,
    redrive as redrive_dead_letters,
};
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
    let subscriptions = listed(&gateway, tenant).await?.into_iter().map(|(_, shown)| shown);
    Ok(HttpResponse::Ok().json(All { subscriptions: subscriptions.collect() }))
}

pub(super) async fn get(
    context: Allowed<GetSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let _turn = turn(&gateway, tenant).await?;
    let listed = listed(&gateway, tenant).await?;
    let Some((_, shown)) = listed.into_iter().find(|(name, _)| *name == group) else {
        return Err(Problem::Subscription(crate::subscribe::Error::Unknown(group)));
    };
    Ok(HttpResponse::Ok().json(shown))
}

/// Returns the subscriptions of a tenant with their lags and dead letters, by their groups.
async fn listed(
    gateway: &Shared,
    tenant: &TenantId,
) -> Result<Vec<(Group, Subscription)>, Problem> {
    let groups = gateway.deps.subscribe.groups();
    let listed = groups.list(tenant).await.map_err(|error| refused(error, tenant))?;
    let counts = groups.dead_counts(Some(tenant)).await;
    let counts = counts.map_err(|error| refused(error, tenant))?;
    let shown = listed.into_iter().map(|(found, lag)| {
        let is_its = |count: &&DeadCount| count.group == found.group;
        let dead = counts.iter().find(is_its);
        let shown = Subscription::new(&found).with_progress(lag, dead);
        (found.group, shown)
    });
    Ok(shown.collect())
}

pub(super) async fn put(
    context: Allowed<PutSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let asked = object::read(&request, &gateway, tenant, PutRequest::parse).await?;
    // It is brought what its own readers would read.
    if asked.form.handler.is_some() {
        context.also::<ReadSubscription>(&request)?;
    }
    let (groups, by) = (gateway.deps.subscribe.groups(), context.act().on(&group));
    let put = groups.put_request(tenant, &group, &asked, &by).await;
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
    let warning = gateway.deps.subscribe.groups().warning(tenant, &asked.form.filter).await;
    let warning = warning.map_err(|error| refused(error, tenant))?;
    if let Some(warning) = &warning {
        tracing::warn!(%tenant, %group, "a subscription may never get an event: {warning}");
    }
    Ok(answer.json(Subscription::new(&found).with_warning(warning)))
}

pub(super) async fn delete(
    context: Allowed<DeleteSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let discard = context.query.parsed("discard", text::reason)?;
    if discard.is_some() {
        context.also::<DiscardDeadLetters>(&request)?;
    }
    let (groups, by) = (gateway.deps.subscribe.groups(), context.act().on(&group));
    let removed = groups.remove(tenant, &group, discard.as_deref(), &by).await;
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
    Ok(HttpResponse::Ok().json(Subscription::new(&found)))
}

/// `POST /subscriptions/{group}/pause`: nobody gets events of the group until it is resumed.
pub(super) async fn pause(
    context: Allowed<PauseSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let reason = object::read(&request, &gateway, tenant, parse_pause).await?;
    let by = context.act().on(&group).because(reason.as_deref());
    let why = reason.as_deref().unwrap_or("no reason was given");
    let paused = gateway.deps.subscribe.groups().pause(tenant, &group, why, &by).await;
    Ok(changed(&gateway, &by, &paused.map_err(|error| refused(error, tenant))?))
}

/// `POST /subscriptions/{group}/resume`: a group that has halted goes on where it stands.
pub(super) async fn resume(
    context: Allowed<ResumeSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let reason = object::read(&request, &gateway, tenant, parse_pause).await?;
    let by = context.act().on(&group).because(reason.as_deref());
    let resumed = gateway.deps.subscribe.groups().resume(tenant, &group, &by).await;
    Ok(changed(&gateway, &by, &resumed.map_err(|error| refused(error, tenant))?))
}

/// `POST /subscriptions/{group}/skip`: a group that has halted at an event goes on after it.
pub(super) async fn skip(
    context: Allowed<SkipEvent>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, tenant) = (group(&request)?, context.enabled(&gateway).await?);
    let (position, reason) = object::read(&request, &gateway, tenant, parse_skip).await?;
    let by = context.act().on(format_args!("{position} of {group}"));
    let by = by.because(reason.as_deref());
    let skipped = gateway.deps.subscribe.groups().skip(tenant, &group, position, &by).await;
    Ok(changed(&gateway, &by, &skipped.map_err(|error| refused(error, tenant))?))
}

/// Returns the answer of an act that changes a group.
fn changed(gateway: &Shared, by: &TrailEntry, found: &FoundSubscription) -> HttpResponse {
    let FoundSubscription { tenant, group, .. } = found;
    gateway.deps.metrics.acted(by.act);
    tracing::info!(%tenant, %group, act = %by.act, "an operator has changed a group");
    HttpResponse::Ok().json(Subscription::new(found))
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
