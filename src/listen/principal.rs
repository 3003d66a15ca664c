//! The principal of a connection: whose topics and groups the client sees, and what it may do
//! there.
//!
//! `login` makes it of the client's token or credential, once; the handlers ask it. Where nobody
//! asks for either, each client may do everything.

use std::sync::Arc;

use kafka_protocol::ResponseError;

use crate::access::permission::{Named, ReadSubscription};
use crate::access::{Caller, Credential, Denied, LEEWAY_MS};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// The name of the scope of all tenants.
const ALL: &str = "*";

/// The part of the gateway that a client sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// The topics of all tenants, and the groups of whoever reads them.
    All,
    /// A tenant's topics and groups.
    Tenant(TenantId),
}

/// A client that is let in.
pub(super) struct Principal {
    pub(super) scope: Scope,
    /// The caller whose token or credential it has; `None` if nobody asks for either.
    pub(super) caller: Option<Caller>,
}

/// The reason why a client is not let in, though its token is good.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLetIn {
    #[error("the client names the tenant `{}`, whose token it has not", .0.escape_debug())]
    Tenant(String),
    #[error(
        "the client names all tenants by `*`, for which its token lacks the permission `{}`",
        ReadSubscription::PERMISSION.for_all_tenants()
    )]
    AllTenants,
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Scope {
    /// Returns the name that its groups are stored under.
    pub(super) fn as_column(&self) -> &str {
        match self {
            Self::All => ALL,
            Self::Tenant(tenant) => tenant.as_str(),
        }
    }

    /// Returns the tenant, if it is one alone.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::All => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }

    /// Returns whether the topics of a tenant are seen.
    pub(super) fn sees(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant,
        }
    }
}

impl Principal {
    /// Returns the principal of each client, where nobody asks who it is.
    pub(super) fn anyone() -> Self {
        Self { scope: Scope::All, caller: None }
    }

    /// Returns the principal of a caller that names a tenant, or all of them, or none: then the
    /// token's is meant.
    pub(super) fn of(caller: Caller, named: Option<&str>) -> Result<Self, NotLetIn> {
        let permission = &ReadSubscription::PERMISSION;
        let other = |named: &str| NotLetIn::Tenant(named.chars().take(64).collect());
        let scope = match (named, &caller.tenant) {
            (Some(ALL), _) if caller.may_in_all_tenants(permission) => Scope::All,
            (Some(ALL), _) => return Err(NotLetIn::AllTenants),
            (Some(named), _) => Scope::Tenant(TenantId::parse(named).map_err(|_| other(named))?),
            (None, Some(own)) => Scope::Tenant(own.clone()),
            (None, None) => return Err(Denied::Tenant.into()),
        };
        if let Scope::Tenant(tenant) = &scope {
            caller.check(permission, tenant).map_err(|denied| match denied {
                Denied::Tenant => other(tenant.as_str()),
                denied => denied.into(),
            })?;
        }
        Ok(Self { scope, caller: Some(caller) })
    }

    /// Checks that the client may do something with a group.
    pub(super) fn check<P: Named>(&self) -> Result<(), ResponseError> {
        let Some(caller) = &self.caller else { return Ok(()) };
        let may = match &self.scope {
            Scope::All => caller.may_in_all_tenants(&P::PERMISSION),
            Scope::Tenant(tenant) => caller.check(&P::PERMISSION, tenant).is_ok(),
        };
        if may {
            return Ok(());
        }
        let permission = P::PERMISSION.name;
        tracing::debug!(permission, "refused a Kafka client's request: it lacks the permission");
        Err(ResponseError::GroupAuthorizationFailed)
    }

    /// Returns whether the client may do anything with a group: one of its credential's.
    pub(super) fn has_group(&self, group: &Group) -> bool {
        self.credential().is_none_or(|credential| credential.has_group(group))
    }

    /// Returns the credential by which the client was let in, if it has no token.
    pub(super) fn credential(&self) -> Option<&Arc<Credential>> {
        self.caller.as_ref().and_then(|caller| caller.credential.as_ref())
    }

    /// Returns the time until which the client's token is taken, if it has one.
    pub(super) fn ends(&self) -> Option<Time> {
        let expires = self.caller.as_ref().and_then(|caller| caller.expires);
        expires.map(|end| end.after(LEEWAY_MS))
    }
}
