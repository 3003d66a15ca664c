//! `POST /domain-events/{producer}/{entity}/delete-all`: every record of an entity was deleted.
//!
//! Modules and tenant admins call it; it hands one draft to `submit`. The body is optional.

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::items::BatchShape;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::receipt_view::ReceiptView;
use super::submit::{self, Post};
use super::{media_type, path, prefer, schema};
use crate::access::permission::PostDeleteAll;
use crate::domain::delete_all;
use crate::domain::json::Raw;

impl Described for PostDeleteAll {
    fn describe() -> Operation {
        let operation = Operation::new(
            "Every record of the entity was deleted: one event, or one DELETE for each record, as \
             the entity's setting `delete_all` says.",
        );
        let schema = schema::object(&delete_all::MEMBERS, &[], |_| schema::event_id());
        let operation = path::describe_subject(operation, "entity").optional_body(&schema);
        let operation = submit::describe_post(operation)
            .answer::<ReceiptView>(201, "The event is durable.")
            .problems(&[Kind::UnknownEntity, Kind::UnsupportedMediaType]);
        submit::describe_receipt(operation)
    }
}

#[tracing::instrument(
    name = "post_delete_all",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(super) async fn post(
    context: Allowed<PostDeleteAll>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [producer, entity] = path::segments(&request, 1)?;
    gateway.deps.tenants.take_up_file_of(context.tenant()).await?;
    let target = gateway.deps.intake.entity(&context.origin, &producer, &entity);
    let target = target.map_err(Problem::UnknownEntity)?;
    let prefer = prefer::prefer(&request);
    let (tenant, shape) = (context.tenant().clone(), BatchShape::One);
    let body = submit::read(&request, &gateway, &tenant).await?;
    let draft = item(&request, &body.bytes)
        .and_then(|item| target.delete_all(item.as_ref()).map_err(Problem::Illegal));
    let draft = draft?.by(context.act().on(format!("{producer}.{entity}")));
    let post = Post { tenant, shape, drafts: vec![draft], body, prefer };
    let answer = submit::post(&gateway, post).await?;
    gateway.deps.metrics.acted(context.act().act);
    Ok(answer)
}

/// Returns the JSON value of the body, if it has one. An empty body needs no content type.
fn item(request: &HttpRequest, body: &Bytes) -> Result<Option<Raw>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    media_type::json(request)?;
    Raw::parse(body).map(Some).map_err(|e| Problem::syntax(None, String::new(), e))
}
