//! `POST /process-events/{producer}/{event}`: news that is not about one entity's record.
//!
//! Fed by modules; feeds `submit` with drafts. The same forms and answers as for changes.

use actix_web::{HttpRequest, HttpResponse};

use super::batch::Batch;
use super::context::TenantContext;
use super::gateway::Shared;
use super::problem::Problem;
use super::submit::{Posted, submit};
use super::{body, media_type, path, prefer};
use crate::domain::draft::Place;
use crate::domain::process_event::ProcessEvent;
use crate::domain::subject::Subject;

pub(super) async fn post(
    context: TenantContext,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let deps = &gateway.deps;
    let [producer, event] = path::segments(&request, 1)?;
    let named = deps.settings.process_event(context.tenant(), &producer, &event);
    let (event, topic) = named.map_err(Problem::UnknownProcessEvent)?;
    let place = Place { subject: Subject::new(&producer, event.as_str()), topic };
    let prefer = prefer::prefer(&request);
    let format = media_type::body_format(&request)?;
    let body = body::read(&request, &gateway, context.tenant()).await?;
    let batch = Batch::parse(format, &body.bytes, deps.config.batch_changes_max)?;
    let shape = batch.shape;
    let events = batch.each(deps.config.record_bytes_max, ProcessEvent::parse)?;
    let draft = |news: ProcessEvent| {
        news.draft(place.clone(), event, deps.clock.new_event_id(), &context.origin)
    };
    let drafts = events.into_iter().map(draft).collect();
    let tenant = context.origin.tenant.clone();
    submit(&gateway, Posted { tenant, shape, drafts, body, prefer }).await
}
