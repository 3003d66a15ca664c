//! `GET /trail`: who did what to what in a tenant, page by page.
//!
//! It reads the store's rows, oldest first. They outlive the tenant: without a log, only a caller
//! who may read the trail of all tenants gets them.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::query::{self, Parameter};
use super::schema;
use super::turn::{self, turn};
use crate::access::permission::ListTrail;
use crate::domain::time::Time;
use crate::domain::trail::{Act, TrailPlace, TrailRow};
use crate::store::TrailScan;

const PARAMETERS: [Parameter; 5] = [
    Parameter::new("from", "The earliest time of the rows.", schema::time),
    Parameter::new("to", "The time before which the rows are.", schema::time),
    Parameter::new("act", "The act of the rows.", || {
        schema::words(&Act::ALL.iter().map(|act| act.as_str()).collect::<Vec<_>>())
    }),
    Parameter::new(
        "after",
        "The `next` of the page before.",
        || json!({ "type": "string", "pattern": TrailPlace::PATTERN }),
    ),
    Parameter::LIMIT,
];

impl Described for ListTrail {
    const QUERY: &'static [Parameter] = &PARAMETERS;

    fn describe() -> Operation {
        Operation::new("Who did what to what in the tenant, oldest first.")
            .answer::<Page>(200, "A page.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled])
    }
}

/// A page. `next` is the `after` of the next request, `null` if no row is left.
#[derive(Serialize, ToSchema)]
#[schema(as = Trail)]
struct Page {
    trail: Vec<Row>,
    #[schema(required)]
    next: Option<String>,
}

/// A row.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrailRow)]
struct Row {
    place: String,
    #[schema(format = DateTime)]
    time: String,
    act: String,
    who: String,
    /// The issuer of the caller's token.
    #[schema(required)]
    issuer: Option<String>,
    object: String,
    #[schema(required)]
    reason: Option<String>,
    #[schema(required)]
    request_id: Option<String>,
}

impl From<TrailRow> for Row {
    fn from(TrailRow { place, actor, act, object, reason, .. }: TrailRow) -> Self {
        Self {
            place: place.to_string(),
            time: place.time.to_string(),
            act,
            who: actor.who,
            issuer: actor.issuer,
            object,
            reason,
            request_id: actor.request_id,
        }
    }
}

pub(super) async fn list(
    context: Allowed<ListTrail>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let query = &context.query;
    let limit = query.parsed("limit", query::limit)?.unwrap_or(query::LIMIT);
    let scan = TrailScan {
        tenant: Some(context.tenant().clone()),
        act: query.parsed("act", Act::parse)?,
        from: query.parsed("from", Time::parse)?,
        to: query.parsed("to", Time::parse)?,
        after: query.parsed("after", TrailPlace::parse)?,
        rows_max: limit + 1,
    };
    if !context.for_all {
        context.enabled(&gateway).await?;
    }
    let _turn = turn(&gateway, context.tenant()).await?;
    let mut rows = gateway.deps.store.trail(&scan).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.place.to_string());
    Ok(HttpResponse::Ok().json(Page { trail: rows.into_iter().map(Row::from).collect(), next }))
}
