//! Posts a request's body and answers with receipts: the part that all posting routes share.
//!
//! The posting handlers call it; it hands drafts to `intake`, and answers once they are durable.
//! The append runs in a task of its own: actix drops a handler when its client leaves, but a body
//! that arrived whole is appended all the same, and its memory counts until then.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use utoipa::ToSchema;

use super::body::{self, Body};
use super::config::BATCH_CHANGES_MAX;
use super::context::TenantContext;
use super::gateway::Gateway;
use super::items::{BatchShape, Items};
use super::limit_headers;
use super::media_type;
use super::operation::{Operation, reference};
use super::prefer::{Prefer, prefer};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::quota;
use super::receipt_view::{ReceiptView, ReceiptViews};
use super::schema::Schema;
use crate::domain::conflict::Conflict;
use crate::domain::draft::Draft;
use crate::domain::event::EventId;
use crate::domain::json::Raw;
use crate::domain::tenant::TenantId;
use crate::domain::violation::Violation;
use crate::follow::published::{Awaited, PublishedUpTo};
use crate::intake::{self, Intake, PostError, Posted, Repeats};
use crate::quota::Cost;
use crate::shares::{Full, Share};
use crate::store;

/// A request's drafts, and everything else that its answer depends on.
pub(super) struct Post {
    pub(super) tenant: TenantId,
    pub(super) shape: BatchShape,
    /// The drafts: at least one.
    pub(super) drafts: Vec<Draft>,
    /// The body from which they were read; its memory is counted until they are in the log.
    pub(super) body: Body,
    pub(super) prefer: Prefer,
}

/// Reads the request's body, makes a draft of each of its items, appends all or none, and answers
/// with the receipts.
pub(super) async fn submit(
    gateway: &Gateway,
    context: &TenantContext,
    request: &HttpRequest,
    draft: impl Fn(&Raw, &str) -> Result<Draft, Vec<Violation>>,
) -> Result<HttpResponse, Problem> {
    let deps = &gateway.deps;
    let tenant = context.tenant().clone();
    let prefer = prefer(request);
    let format = media_type::body_format(request)?;
    let body = read(request, gateway, &tenant).await?;
    let items = Items::parse(format, &body.bytes, deps.config.batch_changes_max)?;
    let shape = items.shape;
    let drafts = items.each(deps.intake.record_bytes_max(), draft)?;
    post(gateway, Post { tenant, shape, drafts, body, prefer }).await
}

/// Adds the body and the answers of a batch to a description; `item` is one item's schema.
pub(super) fn describe(operation: Operation, item: &Schema) -> Operation {
    let list =
        json!({ "type": "array", "items": item, "minItems": 1, "maxItems": BATCH_CHANGES_MAX });
    let one_or_list = json!({ "oneOf": [item, list] });
    let forms = [("application/json", &one_or_list), ("application/x-ndjson", &list)];
    let receipt = reference(&ReceiptView::name());
    let receipts = json!({ "oneOf": [receipt, { "type": "array", "items": receipt }] });
    let operation = operation.body_of(&forms, true).problems(&[
        Kind::UnsupportedMediaType,
        Kind::EmptyBatch,
        Kind::BatchTooLarge,
    ]);
    describe_receipt(describe_post(operation).answer_of(
        201,
        "The events are durable: the receipt of one, or those of a list, in order.",
        &[("application/json", receipts)],
    ))
}

/// Adds the headers of a receipt to a description that has one.
pub(super) fn describe_receipt(operation: Operation) -> Operation {
    let applied = "`wait=` and the seconds, if the wait was granted.";
    let operation = operation.answer_header(201, "Preference-Applied", applied);
    limit_headers::DESCRIBED
        .into_iter()
        .fold(operation, |operation, (name, about)| operation.answer_header(201, name, about))
}

/// Adds what all posts have to a description.
pub(super) fn describe_post(operation: Operation) -> Operation {
    operation
        .header(
            "Prefer",
            "`wait=5` has the answer wait until the events are published, for 5 s at most.",
            json!({ "type": "string" }),
        )
        .with::<ReceiptView>()
        .problems(&body::PROBLEMS)
        .problems(&[
            Kind::InvalidUtf8,
            Kind::InvalidJson,
            Kind::IllegalChange,
            Kind::RecordTooLarge,
            Kind::QuotaExceeded,
            Kind::TenantNotEnabled,
            Kind::EventIdConflict,
            Kind::QueueFull,
            Kind::TenantQueueFull,
            Kind::OutcomeUnknown,
            Kind::Unstorable,
        ])
}

/// Reads the body of a post, unless the tenant has used up its quota. Its bytes are charged as they
/// arrive.
pub(super) async fn read(
    request: &HttpRequest,
    gateway: &Gateway,
    tenant: &TenantId,
) -> Result<Body, Problem> {
    let metered = quota::begin(gateway, tenant)?;
    let bytes_max = gateway.deps.config.body_bytes_max;
    body::read(request, gateway, tenant, bytes_max, Some(metered)).await
}

/// Appends all drafts or none, and answers with the receipts. The tenant's quota is charged for
/// them first; what the gateway itself could not append is given back.
pub(super) async fn post(gateway: &Gateway, post: Post) -> Result<HttpResponse, Problem> {
    let Post { tenant, shape, drafts, body, prefer } = post;
    let limits = quota::charge(gateway, &tenant, drafts.len())?;
    let cost = Cost { events: drafts.len(), bytes: body.charged_bytes };
    let event_ids = drafts.iter().map(|draft| draft.event_id).collect();
    let span = gateway.deps.traces.append(&drafts);
    let posted = append(gateway.deps.intake.clone(), tenant.clone(), drafts, body).await;
    drop(span);
    let posted = posted.map_err(|error| {
        if is_free(&error) {
            gateway.deps.quotas.give_back(&tenant, cost);
        }
        refusal(error, &tenant, shape, event_ids)
    })?;
    let (up_to, waited) = published_up_to(gateway, &tenant, &posted, prefer).await;
    let mut answer = answer(shape, &posted, &up_to, waited);
    for (name, value) in limit_headers::headers(&limits) {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

/// Returns whether the reason lies in the gateway, so that the post costs nothing.
fn is_free(error: &PostError) -> bool {
    match error {
        PostError::TooLarge { .. } | PostError::OutcomeUnknown(_) => false,
        PostError::NotAppended(error) => !matches!(error, intake::Error::Conflict(_)),
    }
}

async fn append(
    intake: Arc<Intake>,
    tenant: TenantId,
    drafts: Vec<Draft>,
    body: Body,
) -> Result<Posted, PostError> {
    let task = tokio::spawn(async move {
        let posted = intake.post(tenant, drafts).await;
        drop(body);
        posted
    });
    task.await.unwrap_or_else(|e| {
        Err(PostError::OutcomeUnknown(store::Error::Unknown(format!("the task is gone: {e}"))))
    })
}

fn refusal(
    error: PostError,
    tenant: &TenantId,
    shape: BatchShape,
    event_ids: Vec<EventId>,
) -> Problem {
    match error {
        PostError::TooLarge { index, bytes_max } => {
            Problem::RecordTooLarge { pointer: shape.pointer(index), bytes_max }
        }
        PostError::OutcomeUnknown(source) => Problem::OutcomeUnknown { event_ids, source },
        PostError::NotAppended(error) => match error {
            intake::Error::Full => Problem::QueueFull,
            intake::Error::TenantFull(_) => Problem::TenantQueueFull,
            intake::Error::Conflict(Conflict { index, with }) => Problem::EventIdConflict {
                pointer: format!("{}/eventId", shape.pointer(index)),
                with,
            },
            intake::Error::NotEnabled => Problem::TenantNotEnabled(tenant.clone()),
            intake::Error::Unstorable(source) => Problem::Unstorable(source),
            intake::Error::Store(source) => source.into(),
        },
    }
}

/// Waits until the drafts are published, if the client asked for it and there is room for another
/// waiter. Returns how far the log is published, and the wait that was granted; without a wait, no
/// new event is published yet. The drafts are durable by now: if the store can't be read, they are
/// shown as not yet published.
async fn published_up_to(
    gateway: &Gateway,
    tenant: &TenantId,
    posted: &Posted,
    prefer: Prefer,
) -> (PublishedUpTo, Option<Duration>) {
    let published = &gateway.deps.published;
    let share = prefer.wait.and_then(|wait| room_to_wait(gateway, tenant, wait));
    let waits = prefer.wait.filter(|_| share.is_some() && published.has_relay());
    let (first, last) = posted.positions();
    let told = match (waits, posted.repeats) {
        (Some(patience), _) => {
            let (log_id, expanded) = (posted.log_id, posted.expanded());
            let awaited = Awaited { log_id, first, last, expanded };
            published.wait(tenant, &awaited, patience).await
        }
        (None, Repeats::Found) => match published.up_to(tenant, first).await {
            Ok(up_to) if !posted.expanded().is_empty() => {
                published.with_expansions(tenant, up_to).await
            }
            up_to => up_to,
        },
        (None, Repeats::None | Repeats::Unreadable) => Ok(published.nothing_yet()),
    };
    let up_to = told.unwrap_or_else(|error| {
        tracing::warn!(%tenant, %error, "failed to read how far the log is published");
        published.nothing_yet()
    });
    match posted.repeats {
        // The topics and keys in the log are unknown, and so is whether they are parked.
        Repeats::Unreadable => (published.nothing_yet(), waits),
        Repeats::None | Repeats::Found => (up_to, waits),
    }
}

/// Takes a waiter's share; an empty one if the request does not wait. `None` if there is no room.
fn room_to_wait(gateway: &Gateway, tenant: &TenantId, wait: Duration) -> Option<Share> {
    let waits = !wait.is_zero() && gateway.deps.published.has_relay();
    match gateway.waiters.take(tenant, usize::from(waits)) {
        Ok(share) => Some(share),
        Err(full) => {
            gateway.deps.metrics.wait_refused(match full {
                Full::All => "all",
                Full::Tenant => "tenant",
            });
            None
        }
    }
}

fn answer(
    shape: BatchShape,
    posted: &Posted,
    up_to: &PublishedUpTo,
    waited: Option<Duration>,
) -> HttpResponse {
    let mut response = HttpResponse::Created();
    if let Some(wait) = waited {
        response.insert_header(("Preference-Applied", format!("wait={}", wait.as_secs())));
    }
    match (shape, &posted.receipts[..]) {
        (BatchShape::One, [receipt]) => {
            response.json(ReceiptView::new(receipt, posted.log_id, up_to))
        }
        _ => response.json(ReceiptViews { posted, up_to }),
    }
}
