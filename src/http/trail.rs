//! `GET /trail`: who did what to what in a tenant, page by page.
//!
//! It reads the store's rows, oldest first. They outlive the tenant: without a log, only a caller
//! who may read the trail of all tenants gets them.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::permission::ListTrail;
use super::problem::Problem;
use super::query::Query;
use super::turn::turn;
use crate::domain::time::Time;
use crate::domain::trail::{Act, TrailPlace, TrailRow};
use crate::store::TrailScan;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// A page. `next` is the `after` of the next request, `null` if no row is left.
#[derive(Serialize)]
struct Page {
    trail: Vec<Row>,
    next: Option<String>,
}

/// A row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    place: String,
    time: String,
    act: String,
    who: String,
    issuer: Option<String>,
    object: String,
    reason: Option<String>,
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
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(request.query_string(), &["from", "to", "act", "after", "limit"])?;
    let limit = query.parsed("limit", limit)?.unwrap_or(LIMIT);
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

fn limit(text: &str) -> Result<usize, &'static str> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or("must be a whole number from 1 to 1000")
}
