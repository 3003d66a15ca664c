//! `POST /domain-events/{producer}/{entity}`: changes of an entity's records.
//!
//! Modules call it; it hands a draft of each change to `submit`. A batch is accepted whole or not
//! at all.

use actix_web::{HttpRequest, HttpResponse};

use crate::http::allowed::Allowed;
use crate::http::gateway::Shared;
use crate::http::path;
use crate::http::permission::PostChanges;
use crate::http::problem::Problem;
use crate::http::submit::submit;

#[tracing::instrument(
    name = "post_changes",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(in crate::http) async fn post(
    context: Allowed<PostChanges>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [producer, entity] = path::segments(&request, 1)?;
    let target = gateway.deps.intake.entity(&context.origin, &producer, &entity);
    let target = target.map_err(Problem::UnknownEntity)?;
    submit(&gateway, &context, &request, |item, at| target.change(item, at)).await
}
