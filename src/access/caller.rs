//! The caller of a request, as far as the token or the perimeter is believed.

use std::sync::Arc;

use super::credential::Credential;
use super::denied::Denied;
use super::permission::{Permission, Permissions};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// The caller of a request.
pub struct Caller {
    /// The token's tenant; `None` if the perimeter has checked that it is the header's.
    pub tenant: Option<TenantId>,
    /// The token's user, if it names one.
    pub user: Option<String>,
    /// The token's subject, by which the trail names a caller that is no user.
    pub subject: Option<String>,
    /// The issuer of the token, if it names one.
    pub issuer: Option<String>,
    /// The permissions that the token or the perimeter lists.
    pub permissions: Permissions,
    /// Whether the token's issuer is an operator's; `None` if the mode knows no such issuers.
    pub is_operator: Option<bool>,
    /// The end of the token, if it is known.
    pub expires: Option<Time>,
    /// The credential by which the caller has come, if it has no token.
    pub credential: Option<Arc<Credential>>,
}

impl Caller {
    /// Checks that the caller may do something in a tenant: in the own one with the permission, in
    /// any one with the permission for all tenants.
    pub fn check(&self, permission: &Permission, tenant: &TenantId) -> Result<(), Denied> {
        let may_in_all = self.may_in_all_tenants(permission);
        let is_own = self.tenant.as_ref().is_none_or(|own| own == tenant);
        match (is_own, may_in_all) {
            (_, true) => Ok(()),
            (false, false) => Err(Denied::Tenant),
            (true, false) if self.permissions.have(permission) => Ok(()),
            (true, false) => Err(Denied::Permission(*permission)),
        }
    }

    /// Checks that the caller may do something that concerns all tenants. Where there are
    /// operators' issuers, the token must be of one.
    pub fn check_for_all(&self, permission: &Permission) -> Result<(), Denied> {
        let may = self.is_operator != Some(false) && self.permissions.have(permission);
        if may || self.may_in_all_tenants(permission) {
            return Ok(());
        }
        Err(Denied::Permission(*permission))
    }

    /// Checks that the caller may do something in some tenant, whichever.
    pub fn check_for_any(&self, permission: &Permission) -> Result<(), Denied> {
        if self.permissions.have(permission) || self.may_in_all_tenants(permission) {
            return Ok(());
        }
        Err(Denied::Permission(*permission))
    }

    /// Returns whether the caller may do something in any tenant.
    pub fn may_in_all_tenants(&self, permission: &Permission) -> bool {
        self.is_operator == Some(true) && self.permissions.have_for_all_tenants(permission)
    }

    /// Returns the user of a request whose header names one. It must be the token's; only the
    /// perimeter's word is taken for it.
    pub fn user(&self, header: Option<&str>) -> Result<Option<String>, Denied> {
        match (&self.user, header) {
            (Some(own), Some(other)) if own != other => Err(Denied::User),
            (Some(own), _) => Ok(Some(own.clone())),
            (None, Some(_)) if self.tenant.is_some() => Err(Denied::User),
            (None, other) => Ok(other.map(str::to_owned)),
        }
    }
}
