//! `POST /domain-events/{producer}/{entity}`: changes of one entity's records.
//!
//! Fed by modules; feeds `submit` with drafts. A batch is accepted whole or not at all.

use actix_web::{HttpRequest, HttpResponse};

use crate::domain::change::Change;
use crate::domain::draft::Place;
use crate::domain::subject::Subject;
use crate::http::batch::Batch;
use crate::http::context::TenantContext;
use crate::http::gateway::Shared;
use crate::http::problem::Problem;
use crate::http::submit::{Posted, submit};
use crate::http::{body, media_type, path, prefer};

pub(in crate::http) async fn post(
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
    let format = media_type::body_format(&request)?;
    let body = body::read(&request, &gateway, context.tenant()).await?;
    let batch = Batch::parse(format, &body.bytes, deps.config.batch_changes_max)?;
    let shape = batch.shape;
    let changes =
        batch.each(deps.config.record_bytes_max, |raw, at| Change::parse(raw, entity, at))?;
    let draft = |change: Change| {
        change.draft(place.clone(), entity, deps.clock.new_event_id(), &context.origin)
    };
    let drafts = changes.into_iter().map(draft).collect();
    let tenant = context.origin.tenant.clone();
    submit(&gateway, Posted { tenant, shape, drafts, body, prefer }).await
}
