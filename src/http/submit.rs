//! From drafts to receipts: what is the same for all that is posted.
//!
//! Fed by the posting handlers; feeds `intake`, and answers once it is durable. The append runs in
//! a task of its own: a handler is dropped when its client leaves, but what was posted whole is
//! appended all the same, and its body counts until then.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::Serialize;

use super::batch::BatchShape;
use super::body::Body;
use super::gateway::Gateway;
use super::prefer::Prefer;
use super::problem::Problem;
use crate::domain::draft::Draft;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::published::PublishedUpTo;
use crate::intake::{self, Accepted, Intake};
use crate::shares::{Full, Share};
use crate::store::{self, Batch};

/// What a request posts, checked.
pub(super) struct Posted {
    pub(super) tenant: TenantId,
    pub(super) shape: BatchShape,
    /// At least one.
    pub(super) drafts: Vec<Draft>,
    /// Where they were read from; its memory is counted until they are in the log.
    pub(super) body: Body,
    pub(super) prefer: Prefer,
}

/// What the client gets for each draft.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    event_id: String,
    topic: String,
    key: String,
    r#type: String,
    position: u64,
    time: String,
    published: Option<bool>,
}

/// Appends all of it or nothing, and answers with the receipts.
pub(super) async fn submit(gateway: &Gateway, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { tenant, shape, drafts, body, prefer } = posted;
    refuse_too_large(&drafts, shape, gateway.deps.config.record_bytes_max)?;
    let mut receipts: Vec<Receipt> = drafts.iter().map(receipt).collect();
    let event_ids: Vec<EventId> = drafts.iter().map(|draft| draft.event_id).collect();
    let mut scopes: Vec<_> =
        drafts.iter().map(|draft| (draft.topic.clone(), draft.key.clone())).collect();
    let batch = Batch { tenant: tenant.clone(), drafts };
    let appended = append(gateway.deps.intake.clone(), batch, body).await;
    let accepted = appended.map_err(|e| refusal(e, &tenant, shape, event_ids.clone()))?;
    let (mut up_to, waited) = published_up_to(gateway, &tenant, &accepted, prefer).await;
    if accepted.repeated
        && let Err(error) = correct(gateway, &tenant, &event_ids, &mut receipts, &mut scopes).await
    {
        tracing::warn!(%tenant, %error, "failed to read what was there before");
        up_to = gateway.deps.published.nothing_yet();
    }
    for ((receipt, place), (topic, key)) in receipts.iter_mut().zip(&accepted.receipts).zip(&scopes)
    {
        receipt.position = place.position.number();
        receipt.time = place.time.to_string();
        receipt.published = up_to.covers(accepted.log_id, topic, key, place.position);
    }
    Ok(answer(shape, &receipts, waited))
}

/// Tells what was there before as it stands in the log: settings may give it another topic and key
/// now.
async fn correct(
    gateway: &Gateway,
    tenant: &TenantId,
    event_ids: &[EventId],
    receipts: &mut [Receipt],
    scopes: &mut [(Topic, Key)],
) -> Result<(), store::Error> {
    for ((event_id, receipt), scope) in event_ids.iter().zip(receipts).zip(scopes) {
        if let Some(event) = gateway.deps.store.find(tenant, *event_id).await? {
            (receipt.topic, receipt.key) = (event.topic.to_string(), event.key.to_string());
            *scope = (event.topic, event.key);
        }
    }
    Ok(())
}

async fn append(intake: Arc<Intake>, batch: Batch, body: Body) -> Result<Accepted, intake::Error> {
    let task = tokio::spawn(async move {
        let appended = intake.submit(batch).await;
        drop(body);
        appended
    });
    let lost = |e| store::Error::Unknown(format!("the task is gone: {e}"));
    task.await.map_err(lost)?
}

fn refuse_too_large(drafts: &[Draft], shape: BatchShape, bytes_max: usize) -> Result<(), Problem> {
    match drafts.iter().position(|draft| draft.record_bytes_max() > bytes_max) {
        Some(index) => Err(Problem::RecordTooLarge { pointer: shape.pointer(index), bytes_max }),
        None => Ok(()),
    }
}

/// All that is known before the draft has its place.
fn receipt(draft: &Draft) -> Receipt {
    Receipt {
        event_id: draft.event_id.to_string(),
        topic: draft.topic.to_string(),
        key: draft.key.to_string(),
        r#type: draft.event_type().to_string(),
        position: 0,
        time: String::new(),
        published: None,
    }
}

fn refusal(
    error: intake::Error,
    tenant: &TenantId,
    shape: BatchShape,
    event_ids: Vec<EventId>,
) -> Problem {
    match error {
        intake::Error::Full => Problem::QueueFull,
        intake::Error::TenantFull(_) => Problem::TenantQueueFull,
        intake::Error::Conflict { index, position } => Problem::EventIdConflict {
            pointer: format!("{}/eventId", shape.pointer(index)),
            position,
        },
        intake::Error::NotEnabled => Problem::TenantNotEnabled(tenant.clone()),
        intake::Error::Unstorable(source) => Problem::Unstorable(source),
        intake::Error::Store(source @ store::Error::Unknown(_)) => {
            Problem::OutcomeUnknown { event_ids, source }
        }
        intake::Error::Store(source) => source.into(),
    }
}

/// How far the log is published, after the wait that the client asked for, if there is room to
/// wait, and that wait; nothing of what is new by now is. The batch is durable: a store that can't
/// tell now doesn't make a failure of it.
async fn published_up_to(
    gateway: &Gateway,
    tenant: &TenantId,
    accepted: &Accepted,
    prefer: Prefer,
) -> (PublishedUpTo, Option<Duration>) {
    let published = &gateway.deps.published;
    let share = prefer.wait.and_then(|wait| room_to_wait(gateway, tenant, wait));
    let waits = prefer.wait.filter(|_| share.is_some() && published.has_relay());
    let positions = || accepted.receipts.iter().map(|receipt| receipt.position);
    let (first, last) =
        (positions().min().unwrap_or_default(), positions().max().unwrap_or_default());
    let told = match waits {
        Some(patience) => published.wait(tenant, accepted.log_id, first, last, patience).await,
        None if accepted.repeated => published.up_to(tenant, first).await,
        None => Ok(published.nothing_yet()),
    };
    let up_to = told.unwrap_or_else(|error| {
        tracing::warn!(%tenant, %error, "failed to read how far the log is published");
        published.nothing_yet()
    });
    (up_to, waits)
}

/// A waiter's share, where anybody would wait; it may be one of nothing.
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

fn answer(shape: BatchShape, receipts: &[Receipt], waited: Option<Duration>) -> HttpResponse {
    let mut response = HttpResponse::Created();
    if let Some(wait) = waited {
        response.insert_header(("Preference-Applied", format!("wait={}", wait.as_secs())));
    }
    match (shape, receipts) {
        (BatchShape::One, [receipt]) => response.json(receipt),
        _ => response.json(receipts),
    }
}
