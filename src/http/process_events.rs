//! `POST /process-events/{producer}/{event}`: events that are not about one record of an entity.
//!
//! Modules call it; it hands a draft of each event to `submit`. Bodies and answers have the same
//! shapes as for changes.

use actix_web::{HttpRequest, HttpResponse};

use super::allowed::Allowed;
use super::gateway::Shared;
use super::path;
use super::permission::PostProcessEvents;
use super::problem::Problem;
use super::submit::submit;

#[tracing::instrument(
    name = "post_process_events",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(super) async fn post(
    context: Allowed<PostProcessEvents>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [producer, event] = path::segments(&request, 1)?;
    let target = gateway.deps.intake.process_event(&context.origin, &producer, &event);
    let target = target.map_err(Problem::UnknownProcessEvent)?;
    submit(&gateway, &context, &request, |item, at| target.process_event(item, at)).await
}
