//! `POST /domain-events/{producer}/{entity}`: changes of an entity's records.
//!
//! Modules call it; it hands a draft of each change to `submit`. A batch is accepted whole or not
//! at all.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::access::permission::PostChanges;
use crate::domain::change;
use crate::domain::event::EventType;
use crate::http::allowed::Allowed;
use crate::http::gateway::Shared;
use crate::http::operation::{Described, Operation};
use crate::http::path;
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::http::schema::{self, Schema};
use crate::http::submit::{self, submit};

impl Described for PostChanges {
    fn describe() -> Operation {
        let operation = Operation::new(
            "One change of a record, or a list of changes, which is taken whole or not at all. The \
             same `eventId` with the same content gets the same receipt. The record's id stands in \
             each state where the entity's setting `key` says (`/id`), and is the same in both.",
        );
        submit::describe(path::describe_subject(operation, "entity"), &change())
            .problems(&[Kind::UnknownEntity])
    }
}

/// Returns the schema of a change, which `domain::change` parses: it is one of three, by the states
/// that it has.
fn change() -> Schema {
    let given = || json!({ "type": "object" });
    let absent = || json!({ "type": "null" });
    let with = |old: Schema, new: Schema, needed: &[&str], event_type: &str| {
        schema::object(&change::MEMBERS, needed, |member| match member {
            "old" => old.clone(),
            "new" => new.clone(),
            "id" => schema::about(json!({ "type": "string" }), "The record's id once more."),
            "eventId" => schema::event_id(),
            "type" => schema::words(&[event_type]),
            "headers" => schema::own_headers(),
            other => unreachable!("{other} has no schema"),
        })
    };
    json!({ "oneOf": [
        with(absent(), given(), &["new"], EventType::Create.as_str()),
        with(given(), given(), &["old", "new"], EventType::Update.as_str()),
        with(given(), absent(), &["old"], EventType::Delete.as_str()),
    ] })
}

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
    gateway.deps.tenants.take_up_file_of(context.tenant()).await?;
    let target = gateway.deps.intake.entity(&context.origin, &producer, &entity);
    let target = target.map_err(Problem::UnknownEntity)?;
    submit(&gateway, &context, &request, |item, at| target.change(item, at)).await
}
