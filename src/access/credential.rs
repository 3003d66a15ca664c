//! A credential: what lets a consumer in that has no user and no token, and what it may do.
//!
//! `config` reads each from a file, and `credentials` keeps them. A caller that has come by one has
//! it (`caller`), so that the surfaces can ask which groups and topics it may read.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use super::passwords::{PasswordHash, Remembered};
use super::permission::{
    CommitSubscription, DeleteSubscription, GetSubscription, LeaveSubscription, ListSubscriptions,
    Named, Permission, Permissions, ReadSubscription, SeekSubscription,
};
use crate::domain::Invalid;
use crate::domain::filter::TopicPattern;
use crate::domain::subscription::{Group, GroupPattern};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// The name of a credential: the user name that a client gives. It has a dot, so that it is no
/// tenant's id, which is the user name beside a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName(String);

/// The tenant and the rights of a credential, and the hash of its password: what its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The tenant whose log is read.
    pub tenant: TenantId,
    /// The groups that may be joined; one at least.
    pub groups: Vec<GroupPattern>,
    /// The topics that are seen; an empty list stands for all of the tenant's.
    pub topics: Vec<TopicPattern>,
    /// The permissions beside those of reading and of committing as a member.
    pub more: Vec<Permission>,
    /// The hash of the password.
    pub password: PasswordHash,
}

/// A credential, as long as its file says the same.
pub struct Credential {
    pub(super) name: CredentialName,
    pub(super) grant: Grant,
    /// The password, once it was right.
    remembered: Mutex<Option<Remembered>>,
    /// Cancelled once the file is removed, or says something else.
    pub(super) ended: CancellationToken,
}

impl CredentialName {
    /// The most bytes of a name.
    const BYTES_MAX: usize = 100;

    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let has_a_dot = text.trim_matches('.').contains('.');
        if !has_a_dot || text.len() > Self::BYTES_MAX || !text.bytes().all(legal) {
            let rule = "must have a dot between others, such as diku.kcat: at most 100 of a-z \
                        0-9 . _ -";
            return Err(Invalid::new("credential", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Grant {
    /// The permissions that every credential has.
    const EACH_HAS: [Permission; 2] =
        [ReadSubscription::PERMISSION, CommitSubscription::PERMISSION];
    /// The permissions that a credential may have beside those.
    pub const MORE: [Permission; 5] = [
        SeekSubscription::PERMISSION,
        ListSubscriptions::PERMISSION,
        GetSubscription::PERMISSION,
        LeaveSubscription::PERMISSION,
        DeleteSubscription::PERMISSION,
    ];

    /// Returns all its permissions.
    pub(super) fn permissions(&self) -> Permissions {
        let all = Self::EACH_HAS.iter().chain(&self.more);
        Permissions::listed(all.map(|permission| permission.name.to_owned()))
    }
}

impl Credential {
    pub(super) fn new(name: CredentialName, grant: Grant) -> Self {
        let (remembered, ended) = (Mutex::default(), CancellationToken::new());
        Self { name, grant, remembered, ended }
    }

    /// Returns the name.
    pub fn name(&self) -> &CredentialName {
        &self.name
    }

    /// Returns whether it lets a client join a group, or do anything else with it.
    pub fn has_group(&self, group: &Group) -> bool {
        self.grant.groups.iter().any(|pattern| pattern.matches(group))
    }

    /// Returns whether it shows a topic of its tenant.
    pub fn has_topic(&self, topic: &Topic) -> bool {
        let topics = &self.grant.topics;
        topics.is_empty() || topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns what is cancelled once the credential is removed, or changed: whoever has come by it
    /// has to go.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Returns whether a password was right before.
    pub(super) fn remembers(&self, password: &Remembered) -> bool {
        self.remembered().as_ref().is_some_and(|it| it.is(password))
    }

    /// Notes that a password is right.
    pub(super) fn remember(&self, password: Remembered) {
        *self.remembered() = Some(password);
    }

    fn remembered(&self) -> MutexGuard<'_, Option<Remembered>> {
        self.remembered.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::CredentialName;
    use crate::domain::tenant::TenantId;

    #[test]
    fn a_credential_s_name_is_no_tenant_s_id() {
        for name in ["diku.kcat", "a.b", "cg.mod-search", "diku.a.b_c", "x..y", &"a.".repeat(51)] {
            assert_eq!(CredentialName::parse(name).is_ok(), name.len() <= 100, "{name}");
            assert!(TenantId::parse(name).is_err(), "{name}");
        }
        for bad in ["", "diku", "*", "diku.", ".diku", ".", "..", "Diku.kcat", "a.b c", "a:b.c"] {
            assert!(CredentialName::parse(bad).is_err(), "{bad}");
        }
    }
}
