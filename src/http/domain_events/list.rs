//! `GET /domain-events`: a tenant's log, page by page.
//!
//! Tenant admins and consumers without Kafka call it; it reads the store. A page is bounded in
//! events, bytes and rows scanned, so an empty page may still have a `next`.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::view::Event;
use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::http::allowed::Allowed;
use crate::http::gateway::{Gateway, Shared};
use crate::http::missing::Missing;
use crate::http::permission::ListEvents;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::turn::turn;
use crate::store::Scan;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
const PARAMETERS: [&str; 9] =
    ["producer", "entity", "key", "type", "from", "to", "after", "limit", "gaps"];

/// A page. `next` is the `after` of the next request, `null` at the head of the log. `missing`
/// tells a reader who began without `after`, or passes over gaps, that events were removed; with
/// `gaps=skip` it may go on at `next`.
#[derive(Serialize)]
struct Page<'a> {
    events: Vec<Event<'a>>,
    next: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

#[tracing::instrument(
    name = "list_events",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(in crate::http) async fn list(
    context: Allowed<ListEvents>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(request.query_string(), &PARAMETERS)?;
    let tenant = context.tenant();
    let scan = scan(&gateway, tenant, &query)?;
    let asked = query.parsed("after", Position::parse)?;
    let skips_gaps = query.parsed("gaps", gaps)?.is_some();
    let after = asked.unwrap_or_default();
    let _turn = turn(&gateway, tenant).await?;
    // This is read first, so that an event that is published meanwhile is shown as published late,
    // not early.
    let mut up_to = gateway.deps.published.up_to(tenant, after.next()).await?;
    let slices = gateway.deps.store.read(&[(tenant.clone(), after.into())], &scan).await?;
    let slice = slices.first().ok_or_else(|| Problem::TenantNotEnabled(tenant.clone()))?;
    // The floors are read last: they rise with the removal of events.
    let gap = gateway.deps.store.floors(tenant).await?.gap(&scan.filter, after);
    let missing = match gap {
        Some(gap) if asked.is_some() && !skips_gaps => return Err(Problem::Removed(gap)),
        gap => gap.as_ref().map(Missing::from),
    };
    if !slice.events.iter().all(Envelope::is_sent) {
        up_to = gateway.deps.published.with_expansions(tenant, up_to).await?;
    }
    let events = slice.events.iter().map(|e| Event::new(e, &up_to)).collect::<Result<_, _>>()?;
    let next = slice.more.then(|| slice.scanned.number());
    Ok(HttpResponse::Ok().json(Page { events, next, missing }))
}

fn scan(gateway: &Gateway, tenant: &TenantId, query: &Query) -> Result<Scan, Problem> {
    let limit = query.parsed("limit", limit)?.unwrap_or(LIMIT);
    let filter = Filter {
        topics: topics(gateway, tenant, query)?,
        keys: query.parsed("key", Key::parse)?.into_iter().collect(),
        types: query.parsed("type", event_type)?.into_iter().collect(),
        headers: Vec::new(),
    };
    let from = query.parsed("from", Time::parse)?;
    let to = query.parsed("to", Time::parse)?;
    Ok(Scan { from, to, ..Scan::page_of_enabled(filter, limit) })
}

/// Returns the topics of the entities that are asked for. An empty list means all topics, process
/// events included.
fn topics(
    gateway: &Gateway,
    tenant: &TenantId,
    query: &Query,
) -> Result<Vec<TopicPattern>, Problem> {
    let (producer, entity) = (query.value("producer"), query.value("entity"));
    if producer.is_none() && entity.is_none() {
        return Ok(Vec::new());
    }
    let topics =
        gateway.deps.settings.topics(tenant, producer, entity).map_err(Problem::UnknownEntity)?;
    Ok(topics.iter().map(TopicPattern::exact).collect())
}

fn limit(text: &str) -> Result<usize, &'static str> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or("must be a whole number from 1 to 1000")
}

fn gaps(text: &str) -> Result<(), &'static str> {
    if text == "skip" { Ok(()) } else { Err("must be `skip`") }
}
