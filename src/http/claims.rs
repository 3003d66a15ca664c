//! `POST /claims` and `POST /claims/release`: a module claims an event for an action, in any
//! language, and gives the claim back.
//!
//! It hands requests to the store. A group's handler claims by its form instead
//! (`subscribe::push`).

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::object;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema::{self, Schema};
use crate::access::permission::{PostClaim, ReleaseClaim};
use crate::domain::claim::{ClaimRequest, Deduplicate, RootId};

/// Whether the event was claimed by this request.
#[derive(Serialize, ToSchema)]
struct Claim {
    claimed: bool,
}

/// Whether the event was claimed before this request.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleasedClaim)]
struct Released {
    released: bool,
}

impl Described for PostClaim {
    fn describe() -> Operation {
        let operation = Operation::new(
            "An event is claimed for an action, unless it is claimed already: who claims it does \
             what there is to do, and nobody else. `eventId` is the id of the first event of a \
             chain. With a `replayId`, the claims are apart from all others.",
        );
        let body = schema::object(&ClaimRequest::MEMBERS, &["action", "eventId"], member);
        object::describe(operation, &body)
            .answer::<Claim>(200, "The event is claimed already.")
            .answer::<Claim>(201, "The event is claimed by this request.")
            .problems(&[Kind::TenantNotEnabled])
    }
}

impl Described for ReleaseClaim {
    fn describe() -> Operation {
        let operation = Operation::new("A claim is given back: what it was for was not done.");
        let body = schema::object(&ClaimRequest::RELEASE_MEMBERS, &["action", "eventId"], member);
        object::describe(operation, &body)
            .answer::<Released>(200, "The event is not claimed for the action any more.")
            .problems(&[Kind::TenantNotEnabled])
    }
}

fn member(name: &str) -> Schema {
    match name {
        "action" => schema::action(),
        "eventId" => json!({
            "type": "string",
            "pattern": RootId::PATTERN,
            "maxLength": RootId::BYTES_MAX,
            "examples": ["5bf370e0-8cca-4d9c-82e4-5170ab2a0a39"],
        }),
        "days" => schema::whole(*Deduplicate::DAYS.start(), *Deduplicate::DAYS.end()),
        "replayId" => schema::own_id(),
        other => unreachable!("{other} has no schema"),
    }
}

pub(super) async fn claim(
    context: Allowed<PostClaim>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let asked = object::read(&request, &gateway, tenant, ClaimRequest::parse).await?;
    let store = &gateway.deps.store;
    let new = store.claim(tenant, &asked.run, &asked.roots(), asked.ttl()).await?;
    let claimed = !new.is_empty();
    let mut answer = if claimed { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(Claim { claimed }))
}

pub(super) async fn release(
    context: Allowed<ReleaseClaim>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.enabled(&gateway).await?;
    let asked = object::read(&request, &gateway, tenant, ClaimRequest::parse_release).await?;
    let released = gateway.deps.store.release_claim(tenant, &asked.run, &asked.root).await?;
    Ok(HttpResponse::Ok().json(Released { released }))
}
