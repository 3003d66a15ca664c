//! `POST /domain-events/{producer}/{entity}/delete-all`: every record of an entity is gone.
//!
//! Fed by tenant admins; feeds `submit` with one draft. The body is optional.

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::batch::BatchShape;
use super::context::TenantContext;
use super::gateway::Shared;
use super::problem::Problem;
use super::submit::{Posted, submit};
use super::{body, media_type, path, prefer};
use crate::domain::delete_all;
use crate::domain::draft::{Draft, Place};
use crate::domain::event::EventId;
use crate::domain::json::Raw;
use crate::domain::subject::Subject;

pub(super) async fn post(
    context: TenantContext,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let deps = &gateway.deps;
    let [producer, entity_name] = path::segments(&request, 1)?;
    let named = deps.settings.entity(context.tenant(), &producer, &entity_name);
    let (entity, topic) = named.map_err(Problem::UnknownEntity)?;
    let place = Place { subject: Subject::new(&producer, &entity_name), topic };
    let prefer = prefer::prefer(&request);
    let body = body::read(&request, &gateway, context.tenant()).await?;
    let given = given_id(&request, &body.bytes)?;
    let event_id = given.unwrap_or_else(|| deps.clock.new_event_id());
    let draft = Draft::delete_all(place, entity.wire_form, event_id, &context.origin);
    let tenant = context.origin.tenant.clone();
    submit(&gateway, Posted { tenant, shape: BatchShape::One, drafts: vec![draft], body, prefer })
        .await
}

/// The event id of a body that isn't empty; an empty one needs no content type.
fn given_id(request: &HttpRequest, body: &Bytes) -> Result<Option<EventId>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    media_type::json(request)?;
    let raw = Raw::parse(body).map_err(|e| Problem::syntax(None, String::new(), e))?;
    delete_all::parse(&raw).map_err(Problem::Illegal)
}
