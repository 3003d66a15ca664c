//! `POST /_/tenant`, `GET /_/tenant/{id}` and `DELETE /_/tenant/{id}`: FOLIO's tenant interface, by
//! which Okapi and the entitlement manager enable, disable and purge tenants.
//!
//! It hands requests to `follow::tenant_jobs`, and shows the store's rows.

use std::fmt;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::{Gateway, Shared};
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::query::{Parameter, number};
use super::schema::{self, Schema};
use super::turn::{self, turn};
use super::{object, path};
use crate::access::permission::{DeleteTenantJob, GetTenantJob, PostTenant};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{
    PARAMETERS_MAX, TenantAct, TenantAttributes, TenantJob, TenantJobId,
};
use crate::domain::trail::Act;
use crate::domain::violation::Violation;
use crate::follow::tenant_jobs::{NotSubmitted, Submitted};

/// The longest wait; a request for a longer one gets this.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The most bytes of a request, which is kept in its job.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// The reason that a caller is told who does not see other tenants.
const OTHERS_TOPICS: &str = "its topics collide, or would be shared, with others";

/// A job, in the words of the tenant interface.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantJob)]
struct Job {
    #[schema(format = "uuid")]
    id: String,
    tenant: String,
    /// The request as it was posted.
    #[schema(value_type = Object)]
    tenant_attributes: Box<RawValue>,
    complete: bool,
    /// Why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    messages: Vec<String>,
}

const WAIT: [Parameter; 1] = [Parameter::new(
    "wait",
    "The milliseconds for which the answer waits for the job's end: at most a minute.",
    schema::any_whole,
)];

impl Described for PostTenant {
    fn describe() -> Operation {
        let operation = Operation::new(
            "FOLIO's tenant interface 2.0. With `module_to`, the tenant is enabled or upgraded; \
             without it, disabled, or purged if `purge` is true. The parameter `force` of a purge, \
             and `deleteObsoleteTopics` of an upgrade, are `true` or `false`; `reason`, of 1 to \
             1,000 bytes, is kept in the trail, if the request changes anything.",
        );
        object::describe(operation, &attributes())
            .answer::<Job>(201, "The job that enables or purges the tenant.")
            .answer_header(201, "Location", "The path of the job.")
            .empty_answer(204, "The tenant is disabled, or was purged.")
            .problems(&turn::PROBLEMS)
            .problems(&[
                Kind::TenantNotEnabled,
                Kind::TenantPurging,
                Kind::TenantJobsFull,
                Kind::PurgeLosesEvents,
            ])
    }
}

/// Returns the schema of the request that `TenantAttributes` parses.
fn attributes() -> Schema {
    let text = || json!({ "type": "string" });
    let parameter = schema::object(&TenantAttributes::PARAMETER_MEMBERS, &["key"], |_| text());
    schema::object(&TenantAttributes::MEMBERS, &[], |member| match member {
        "module_from" | "module_to" => schema::name(),
        "purge" => schema::flag(),
        "parameters" => schema::list(&parameter, PARAMETERS_MAX),
        other => unreachable!("{other} has no schema"),
    })
}

impl Described for GetTenantJob {
    const QUERY: &'static [Parameter] = &WAIT;

    fn describe() -> Operation {
        one(Operation::new("A job of the tenant interface."))
            .answer::<Job>(200, "The job, ended or not.")
            .problems(&turn::PROBLEMS)
    }
}

impl Described for DeleteTenantJob {
    fn describe() -> Operation {
        one(Operation::new("The job is forgotten.")).empty_answer(204, "It is.")
    }
}

fn one(operation: Operation) -> Operation {
    operation.path("id", schema::own_id()).problems(&[Kind::BadPath, Kind::UnknownTenantJob])
}

impl From<TenantJob> for Job {
    fn from(job: TenantJob) -> Self {
        let posted = job.attributes.posted;
        Self {
            id: job.id.to_string(),
            tenant: job.tenant.to_string(),
            tenant_attributes: RawValue::from_string(posted).expect("it was parsed when posted"),
            complete: job.progress.completed.is_some(),
            error: job.progress.error,
            messages: job.progress.messages,
        }
    }
}

/// Enables, disables or purges the tenant of the header. A job that has ended already is answered
/// with 204.
pub(super) async fn post(
    context: Allowed<PostTenant>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let tenant = context.tenant();
    let (bytes_max, parse) = (REQUEST_BYTES_MAX, TenantAttributes::parse);
    let attributes = object::read_within(bytes_max, &request, &gateway, tenant, parse).await?;
    let act = attributes.act;
    // The topics of all tenants are read.
    let _turn = turn(&gateway, tenant).await?;
    let submitted = gateway.deps.tenants.submit(tenant, attributes, &context.act()).await;
    let Submitted { job, has_changed } = match submitted {
        // Another tenant's caller is not told whose topics there are.
        Err(NotSubmitted::Topics(illegal)) if !context.sees_others => {
            tracing::warn!(%tenant, "the tenant can't be enabled: {illegal}");
            return Err(illegal_topics(OTHERS_TOPICS));
        }
        Err(NotSubmitted::File(mut left_out)) if !context.sees_others && left_out.names_others => {
            tracing::warn!(%tenant, "the tenant can't be enabled: {left_out}");
            OTHERS_TOPICS.clone_into(&mut left_out.why);
            return Err(NotSubmitted::File(left_out).into());
        }
        submitted => submitted?,
    };
    if has_changed {
        gateway.deps.metrics.acted(match act {
            TenantAct::Enable => Act::EnableTenant,
            TenantAct::Disable => Act::DisableTenant,
            TenantAct::Purge { .. } => Act::PurgeTenant,
        });
    }
    Ok(match act {
        TenantAct::Disable => HttpResponse::NoContent().finish(),
        TenantAct::Enable | TenantAct::Purge { .. } => {
            let place = format!("/_/tenant/{}", job.id);
            HttpResponse::Created().insert_header(("Location", place)).json(Job::from(job))
        }
    })
}

/// Shows a job, once it has ended or after the time that the caller waits.
pub(super) async fn get(
    context: Allowed<GetTenantJob>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (tenant, id) = (context.tenant(), id(&request)?);
    let wait = context.query.parsed("wait", number)?.map(Duration::from_millis).unwrap_or_default();
    // A request that finds no room to wait is answered at once.
    let waits = gateway.waiters.take(tenant, usize::from(!wait.is_zero()));
    let wait = if waits.is_ok() { wait.min(WAIT_MAX) } else { Duration::ZERO };
    let job = ended(&gateway, tenant, id, wait).await?;
    Ok(HttpResponse::Ok().json(Job::from(job)))
}

/// Removes a job's row.
pub(super) async fn remove(
    context: Allowed<DeleteTenantJob>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let id = id(&request)?;
    match gateway.deps.store.remove_tenant_job(context.tenant(), id).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::UnknownTenantJob(id)),
    }
}

/// Returns the id of the path.
fn id(request: &HttpRequest) -> Result<TenantJobId, Problem> {
    let [segment] = path::segments(request, 2)?;
    TenantJobId::parse(&segment).map_err(|_| {
        Problem::bad_path(&segment, "must be the id of a tenant job: a hyphenated UUID")
    })
}

/// Returns a job once it has ended, or as it is after a while.
async fn ended(
    gateway: &Gateway,
    tenant: &TenantId,
    id: TenantJobId,
    wait: Duration,
) -> Result<TenantJob, Problem> {
    let (until, mut end) = (Instant::now() + wait, gateway.deps.tenants.watch(id));
    let mut job = find(gateway, tenant, id).await?;
    while job.progress.completed.is_none() && Instant::now() < until {
        end.may_have_come(until).await;
        match find(gateway, tenant, id).await {
            Ok(now) => job = now,
            // It has waited until now, and may wait for a later turn.
            Err(Problem::ReadsFull | Problem::TenantReadsFull) => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(job)
}

/// Reads a job, in turn with other reads.
async fn find(gateway: &Gateway, tenant: &TenantId, id: TenantJobId) -> Result<TenantJob, Problem> {
    let _turn = turn(gateway, tenant).await?;
    let found = gateway.deps.store.find_tenant_job(tenant, id).await?;
    found.ok_or(Problem::UnknownTenantJob(id))
}

/// Refuses a tenant for its topics.
fn illegal_topics(why: impl fmt::Display) -> Problem {
    not_enabled("illegal-topics", format!("the tenant can't be enabled: {why}"))
}

fn not_enabled(code: &'static str, why: String) -> Problem {
    Problem::IllegalRequest(vec![Violation::new("/module_to".to_owned(), code, why)])
}

impl From<NotSubmitted> for Problem {
    fn from(error: NotSubmitted) -> Self {
        match error {
            NotSubmitted::Store(error) => error.into(),
            NotSubmitted::Topics(illegal) => illegal_topics(illegal),
            NotSubmitted::File(_) => not_enabled("illegal-file", error.to_string()),
            NotSubmitted::NotEnabled(tenant) => Self::TenantNotEnabled(tenant),
            refused @ (NotSubmitted::Purging(_)
            | NotSubmitted::TooManyJobs(_)
            | NotSubmitted::Loses { .. }) => Self::TenantJobRefused(refused),
        }
    }
}
