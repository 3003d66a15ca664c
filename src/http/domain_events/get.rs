//! `GET /domain-events/{eventId}`: one event of a tenant's log.
//!
//! Tenant admins call it; it reads the store. An event of another tenant is not found.

use actix_web::{HttpRequest, HttpResponse};

use super::view::Event;
use crate::access::permission::GetEvent;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::http::allowed::Allowed;
use crate::http::gateway::Shared;
use crate::http::operation::{Described, Operation};
use crate::http::path;
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::http::schema;
use crate::http::turn::{self, turn};

impl Described for GetEvent {
    fn describe() -> Operation {
        Operation::new("One event of the tenant's log, until it is removed.")
            .path("eventId", schema::event_id())
            .answer::<Event>(200, "The event.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::BadPath, Kind::TenantNotEnabled, Kind::UnknownEvent])
    }
}

#[tracing::instrument(
    name = "get_event",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(in crate::http) async fn get(
    context: Allowed<GetEvent>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [segment] = path::segments(&request, 1)?;
    let id = EventId::parse(&segment)
        .map_err(|_| Problem::bad_path(&segment, "must be an event id: a hyphenated UUID"))?;
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    let mut up_to = gateway.deps.published.up_to(tenant, Position::START).await?;
    let found = gateway.deps.store.find(tenant, id).await?;
    let envelope = found.ok_or(Problem::UnknownEvent(id))?;
    if !envelope.is_sent() {
        up_to = gateway.deps.published.with_expansions(tenant, up_to).await?;
    }
    Ok(HttpResponse::Ok().json(Event::new(&envelope, &up_to)?))
}
