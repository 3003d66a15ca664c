//! `POST /process-events/{producer}/{event}`: events that are not about one record of an entity.
//!
//! Modules call it; it hands a draft of each event to `submit`. Bodies and answers have the same
//! shapes as for changes.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::path;
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema;
use super::submit::{self, submit};
use crate::access::permission::PostProcessEvents;
use crate::domain::process_event;

impl Described for PostProcessEvents {
    fn describe() -> Operation {
        let operation = Operation::new(
            "One event that is not about a record of an entity, or a list of such events, which is \
             taken whole or not at all. The payload is published as it is.",
        );
        let item =
            schema::object(&process_event::MEMBERS, &["key", "payload"], |member| match member {
                "key" => schema::record_key(),
                "payload" => json!({ "not": { "type": "null" } }),
                "eventId" => schema::event_id(),
                "headers" => schema::own_headers(),
                other => unreachable!("{other} has no schema"),
            });
        submit::describe(path::describe_subject(operation, "event"), &item)
            .problems(&[Kind::UnknownProcessEvent])
    }
}

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
    gateway.deps.tenants.take_up_file_of(context.tenant()).await?;
    let target = gateway.deps.intake.process_event(&context.origin, &producer, &event);
    let target = target.map_err(Problem::UnknownProcessEvent)?;
    submit(&gateway, &context, &request, |item, at| target.process_event(item, at)).await
}
