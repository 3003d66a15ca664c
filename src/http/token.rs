//! Who calls: the seam where a request's token is judged, in the way that is configured.
//!
//! Asked by `context` before anything else of a request is looked at; feeds it with the caller. A
//! token is never kept, logged or sent on.

use actix_web::HttpRequest;

use super::header;
use super::problem::Problem;
use crate::domain::tenant::TenantId;

/// How callers are told: `AUTH_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Okapi or a sidecar in front has checked the token, and that its tenant is the header's.
    Perimeter,
}

/// Who calls, as far as the token is believed.
pub(super) struct Caller {
    pub(super) tenant: TenantId,
}

impl Auth {
    /// The caller, whose tenant is the one that the request names.
    pub(super) fn caller(self, request: &HttpRequest) -> Result<Caller, Problem> {
        let tenant = named_tenant(request)?;
        match self {
            // The token is the perimeter's: it isn't looked at.
            Self::Perimeter => Ok(Caller { tenant }),
        }
    }
}

fn named_tenant(request: &HttpRequest) -> Result<TenantId, Problem> {
    const NAME: &str = "X-Okapi-Tenant";
    let text = header::single(request, NAME)?.ok_or(Problem::MissingTenant)?;
    TenantId::parse(text).map_err(Problem::BadTenant)
}
