//! Authenticates the caller of a request, in the way that `AUTH_MODE` sets.
//!
//! `context` calls it before anything else of a request is read, and gets the caller. A token is
//! never kept, logged or passed on.

use actix_web::HttpRequest;

use super::header;
use super::problem::Problem;
use crate::domain::tenant::TenantId;

/// The ways to authenticate callers, set by `AUTH_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Okapi or a sidecar in front of the gateway has checked the token, and that its tenant is the
    /// header's.
    Perimeter,
}

/// The caller of a request, as far as the token is trusted.
pub(super) struct Caller {
    pub(super) tenant: TenantId,
}

impl Auth {
    /// Returns the caller, with the tenant that the request names.
    pub(super) fn caller(self, request: &HttpRequest) -> Result<Caller, Problem> {
        let tenant = named_tenant(request)?;
        match self {
            // The perimeter has checked the token, so it is not read here.
            Self::Perimeter => Ok(Caller { tenant }),
        }
    }
}

fn named_tenant(request: &HttpRequest) -> Result<TenantId, Problem> {
    const NAME: &str = "X-Okapi-Tenant";
    let text = header::single(request, NAME)?.ok_or(Problem::MissingTenant)?;
    TenantId::parse(text).map_err(Problem::BadTenant)
}
