//! The one JSON object of a request's body. An empty body counts as `{}`, and needs no content
//! type.
//!
//! Operators' requests are read with it; `domain` parses their members.

use actix_web::HttpRequest;

use super::gateway::Gateway;
use super::operation::Operation;
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema::Schema;
use super::{body, media_type};
use crate::domain::json::Raw;
use crate::domain::tenant::TenantId;
use crate::domain::violation::Violation;

/// Adds the body to a description, and how it is refused.
pub(super) fn describe(operation: Operation, schema: &Schema) -> Operation {
    // An object of which nothing is needed may be left out.
    let operation = match schema.get("required").or(schema.get("oneOf")) {
        Some(_) => operation.needed_body(schema),
        None => operation.optional_body(schema),
    };
    let of_text = [Kind::UnsupportedMediaType, Kind::InvalidUtf8, Kind::InvalidJson];
    operation.problems(&body::PROBLEMS).problems(&of_text).problems(&[Kind::IllegalRequest])
}

/// Reads the body and parses its object; what is illegal is the problem of a request.
pub(super) async fn read<T>(
    request: &HttpRequest,
    gateway: &Gateway,
    tenant: &TenantId,
    parse: impl FnOnce(&Raw) -> Result<T, Vec<Violation>>,
) -> Result<T, Problem> {
    let bytes_max = gateway.deps.config.body_bytes_max;
    read_within(bytes_max, request, gateway, tenant, parse).await
}

/// Reads the body, of at most `bytes_max` bytes, and parses its object.
pub(super) async fn read_within<T>(
    bytes_max: usize,
    request: &HttpRequest,
    gateway: &Gateway,
    tenant: &TenantId,
    parse: impl FnOnce(&Raw) -> Result<T, Vec<Violation>>,
) -> Result<T, Problem> {
    let body = body::read(request, gateway, tenant, bytes_max, None).await?;
    let text = if body.bytes.is_empty() { "{}".into() } else { body.bytes.clone() };
    if !body.bytes.is_empty() {
        media_type::json(request)?;
    }
    let raw = Raw::parse(&text).map_err(|error| Problem::syntax(None, String::new(), error))?;
    parse(&raw).map_err(Problem::IllegalRequest)
}
