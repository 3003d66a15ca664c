//! The context of a request about a tenant's log: the tenant, and the headers that its events get.
//!
//! It is made of Okapi's headers for a caller that has a permission (`allowed`), is the first
//! argument of every handler that touches a log, and gives drafts their origin. The token is not
//! part of it.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};
use serde_json::json;
use uuid::{Uuid, Variant};

use super::gateway::Gateway;
use super::header;
use super::operation::Operation;
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema;
use super::spans;
use crate::access::Caller;
use crate::access::Denied;
use crate::access::permission::Permission;
use crate::clock::Clock;
use crate::domain::draft::Origin;
use crate::domain::headers::Headers;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trace_parent::TRACE_PARENT;
use crate::domain::trail::{Actor, CallerNames};

/// The header with the id that Okapi gives to a request.
pub(super) const REQUEST_ID: &str = "X-Okapi-Request-Id";
/// The header with the tenant's id.
pub(super) const TENANT: &str = "X-Okapi-Tenant";
const CORRELATION_ID: &str = "X-Correlation-ID";

/// The events' headers that the trail has, too.
const USER: &str = "x-okapi-user-id";
const TRACED_REQUEST_ID: &str = "x-okapi-request-id";

/// The tenant, and the headers that the request gives to its events.
pub(super) struct TenantContext {
    pub(super) origin: Origin,
    /// The end of the caller's token, if it is known.
    pub(super) expires: Option<Time>,
    /// The caller, as the trail names it.
    pub(super) actor: Actor,
    /// Whether the caller may do the same in any tenant.
    pub(super) for_all: bool,
    /// Whether a refusal may name other tenants: the caller is not one tenant's alone.
    pub(super) sees_others: bool,
}

impl TenantContext {
    pub(super) fn tenant(&self) -> &TenantId {
        &self.origin.tenant
    }

    /// Returns the tenant, which must be enabled. Who makes or lists something of a tenant asks,
    /// since it would be told of an empty list, or of something else that is wrong.
    pub(super) async fn enabled(&self, gateway: &Gateway) -> Result<&TenantId, Problem> {
        let found = gateway.deps.store.find_tenant(self.tenant()).await?;
        let found = found.filter(|log| log.is_enabled).map(|_| self.tenant());
        found.ok_or_else(|| Problem::TenantNotEnabled(self.tenant().clone()))
    }
}

/// Makes the context of a request whose caller has a permission.
pub(super) fn context(
    request: &HttpRequest,
    clock: &dyn Clock,
    permission: &Permission,
) -> Result<TenantContext, Problem> {
    let tenant = named_tenant(request)?;
    request.extensions_mut().insert(tenant.clone());
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>().ok_or(Denied::NoToken)?;
    caller.check(permission, &tenant)?;
    let headers = Arc::new(inherited(request, clock, caller)?);
    let issuer = caller.issuer.as_deref();
    let named = CallerNames { user: headers.value(USER), subject: caller.subject.as_deref() };
    let actor = Actor::caller(named, issuer, headers.value(TRACED_REQUEST_ID));
    let (expires, for_all) = (caller.expires, caller.may_in_all_tenants(permission));
    let sees_others = for_all || caller.tenant.is_none();
    Ok(TenantContext { origin: Origin { tenant, headers }, expires, actor, for_all, sees_others })
}

/// Adds the headers that make a context, and how they are refused.
pub(super) fn describe(operation: Operation) -> Operation {
    let id =
        "^([0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-4[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12})?$";
    let traced = || json!({ "type": "string" });
    operation
        .parameter(json!({
            "name": TENANT,
            "in": "header",
            "required": true,
            "description": "The tenant.",
            "schema": schema::tenant(),
        }))
        .header(
            "X-Okapi-Url",
            "The URL of Okapi, which the events' records get.",
            schema::printable(),
        )
        .header("X-Okapi-User-Id", "The user, who must be the token's.", schema::printable())
        .header(REQUEST_ID, "The id that Okapi gives to the request.", traced())
        .header(
            CORRELATION_ID,
            "A UUID of version 4, which the events' records get; one is made if it is absent.",
            json!({ "type": "string", "pattern": id }),
        )
        .header(TRACE_PARENT, "W3C's trace context. One that is malformed is ignored.", traced())
        .problems(&[Kind::MissingTenant, Kind::BadTenant, Kind::TenantMismatch, Kind::UserMismatch])
}

fn named_tenant(request: &HttpRequest) -> Result<TenantId, Problem> {
    let text = header::single(request, TENANT)?.ok_or(Problem::MissingTenant)?;
    TenantId::parse(text).map_err(Problem::BadTenant)
}

/// Returns the headers of every event of this request, in lower case and in this order.
fn inherited(
    request: &HttpRequest,
    clock: &dyn Clock,
    caller: &Caller,
) -> Result<Headers, Problem> {
    let mut headers = Headers::default();
    if let Some(url) = header::single(request, "X-Okapi-Url")? {
        headers.push("x-okapi-url", url);
    }
    if let Some(user) = caller.user(header::single(request, "X-Okapi-User-Id")?)? {
        headers.push(USER, user);
    }
    if let Some(value) = header::traced(request, REQUEST_ID) {
        headers.push(TRACED_REQUEST_ID, value);
    }
    headers.push("correlation_id", correlation_id(request, clock)?);
    if let Some(trace) = spans::trace_parent(request) {
        headers.push(TRACE_PARENT, trace.as_str());
    }
    Ok(headers)
}

fn correlation_id(request: &HttpRequest, clock: &dyn Clock) -> Result<Uuid, Problem> {
    let Some(text) = header::single(request, CORRELATION_ID)? else { return Ok(clock.new_id()) };
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::try_parse(text)
        .ok()
        .filter(|id| {
            hyphenated && id.get_version_num() == 4 && id.get_variant() == Variant::RFC4122
        })
        .ok_or_else(|| header::bad(CORRELATION_ID, "must be a hyphenated UUID of version 4"))
}
