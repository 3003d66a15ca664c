//! The permissions: each one's name and display text, and the sets of them.
//!
//! The type of a route's handler names its permission (`allowed`), and `access` tells which route
//! needs which. A token or the perimeter names what a caller may do (`Permissions`).

use crate::domain::trail::Act;

/// A permission of a route: its name, and a text for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The name, as FOLIO forms it: module, resource, method.
    pub name: &'static str,
    /// The text for those who grant it.
    pub display: &'static str,
}

/// The prefix of every permission's name.
const MODULE: &str = "event-gateway.";
/// The prefix of the permissions that are for any tenant, and not for the token's alone.
pub const ALL_TENANTS: &str = "event-gateway.all-tenants.";
/// The set of the permissions for the caller's own tenant.
pub const ALL: &str = "event-gateway.all";
/// The set of the permissions for any tenant.
pub const ALL_OF_ALL_TENANTS: &str = "event-gateway.all-tenants.all";

/// The type that stands for a permission in the type of a handler.
pub trait Named: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($type:ident $name:literal $display:literal;)*) => {
        $(
            #[doc = concat!("`event-gateway.", $name, "`: ", $display, ".")]
            pub struct $type;

            impl Named for $type {
                const PERMISSION: Permission =
                    Permission { name: concat!("event-gateway.", $name), display: $display };
            }
        )*

        /// All permissions of routes.
        pub const PERMISSIONS: &[Permission] = &[$($type::PERMISSION),*];
    };
}

/// The type of a permission whose routes are an act.
pub trait Acts: Named {
    /// The act.
    const ACT: Act;
}

macro_rules! acts {
    ($($type:ident $act:ident;)*) => {
        $(
            impl Acts for $type {
                const ACT: Act = Act::$act;
            }
        )*

        /// The permissions of the routes that are acts, each with the act.
        pub const ACTS: &[(Permission, Act)] = &[$(($type::PERMISSION, Act::$act)),*];
    };
}

acts! {
    PostDeleteAll DeleteAll;
    ReleaseParked Release;
    DiscardParked Discard;
    SubmitReplay StartReplay;
    PauseReplay PauseReplay;
    ResumeReplay ResumeReplay;
    CancelReplay CancelReplay;
    SubmitErasure Erase;
    PutSubscription PutSubscription;
    DeleteSubscription DeleteSubscription;
    SeekSubscription SeekSubscription;
    PauseSubscription PauseSubscription;
    ResumeSubscription ResumeSubscription;
    SkipEvent SkipEvent;
    RedriveDeadLetters RedriveDeadLetters;
    DiscardDeadLetters DiscardDeadLetters;
    LeaveSubscription EndReader;
    PostTenant EnableTenant;
}

permissions! {
    PostChanges       "domain-events.collection.post"    "Post changes of records";
    PostDeleteAll     "domain-events.delete-all.post"    "Post that all records of an entity were deleted";
    PostProcessEvents "process-events.collection.post"   "Post process events";
    ListEvents        "domain-events.collection.get"     "Read the log";
    GetEvent          "domain-events.item.get"           "Read an event";
    ListParked        "parked.collection.get"            "List what is parked";
    ReleaseParked     "parked.item.release.post"         "Release what is parked";
    DiscardParked     "parked.item.discard.post"         "Discard what is parked";
    SubmitReplay      "replays.collection.post"          "Start a replay";
    ListReplays       "replays.collection.get"           "List replays";
    GetReplay         "replays.item.get"                 "Read a replay";
    PauseReplay       "replays.item.pause.post"          "Pause a replay";
    ResumeReplay      "replays.item.resume.post"         "Resume a replay";
    CancelReplay      "replays.item.cancel.post"         "Cancel a replay";
    SubmitErasure     "erasures.collection.post"         "Erase a record's content";
    ListErasures      "erasures.collection.get"          "List erasures";
    GetErasure        "erasures.item.get"                "Read an erasure";
    PostClaim         "claims.collection.post"           "Claim an event for an action";
    ReleaseClaim      "claims.release.post"              "Give the claim of an event back";
    ListSubscriptions "subscriptions.collection.get"     "List subscriptions";
    PutSubscription   "subscriptions.item.put"           "Make a subscription";
    GetSubscription   "subscriptions.item.get"           "Read a subscription";
    DeleteSubscription "subscriptions.item.delete"       "Remove a subscription";
    ReadSubscription  "subscriptions.item.events.get"    "Read the events of a subscription";
    CommitSubscription "subscriptions.item.commits.post" "Commit events of a subscription";
    SeekSubscription  "subscriptions.item.seek.post"     "Move a subscription";
    PauseSubscription "subscriptions.item.pause.post"    "Pause a subscription";
    ResumeSubscription "subscriptions.item.resume.post"  "Resume a subscription";
    SkipEvent         "subscriptions.item.skip.post"     "Skip an event of a subscription";
    ListDeadLetters   "dead-letters.collection.get"      "List dead letters";
    GetDeadLetter     "dead-letters.item.get"            "Read a dead letter";
    RedriveDeadLetters "dead-letters.redrive.post"       "Deliver dead letters again";
    DiscardDeadLetters "dead-letters.discard.post"       "Discard dead letters";
    LeaveSubscription "subscriptions.item.reader.delete" "End the reading of a subscription";
    PostTenant        "tenants.item.post"                "Enable, disable or purge a tenant";
    GetTenantJob      "tenants.jobs.item.get"            "Read a tenant job";
    DeleteTenantJob   "tenants.jobs.item.delete"         "Remove a tenant job";
    ListTrail         "trail.collection.get"             "Read the trail";
    GetMetrics        "metrics.get"                      "Read the metrics of all tenants";
    GetOpenApi        "openapi.get"                      "Read the document of the API";
    GetDocs           "docs.get"                         "Read the page about the API";
}

impl Permission {
    /// Returns the name without the module's.
    pub fn short_name(&self) -> &'static str {
        self.name.trim_start_matches(MODULE)
    }

    /// Returns the name of the same permission for any tenant.
    pub fn for_all_tenants(&self) -> String {
        format!("{ALL_TENANTS}{}", self.short_name())
    }
}

/// The permissions that a caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// The perimeter has checked what the route needs.
    CheckedBefore,
    /// The names that the token or the perimeter lists.
    Listed(Vec<String>),
}

impl Permissions {
    /// Keeps those of the names that are permissions of this module.
    pub fn listed(names: impl IntoIterator<Item = String>) -> Self {
        Self::Listed(names.into_iter().filter(|name| name.starts_with(MODULE)).collect())
    }

    /// Returns whether the caller may do it in the caller's own tenant.
    pub fn have(&self, permission: &Permission) -> bool {
        match self {
            Self::CheckedBefore => true,
            Self::Listed(names) => names.iter().any(|name| name == permission.name || name == ALL),
        }
    }

    /// Returns whether the caller may do it in any tenant. The perimeter checks no such permission.
    pub fn have_for_all_tenants(&self, permission: &Permission) -> bool {
        let Self::Listed(names) = self else { return false };
        let wanted = permission.for_all_tenants();
        names.iter().any(|name| *name == wanted || name == ALL_OF_ALL_TENANTS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, ALL_OF_ALL_TENANTS, GetEvent, GetMetrics, Named, PERMISSIONS, Permissions};

    fn listed(names: &[&str]) -> Permissions {
        Permissions::listed(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn names_are_folio_s_and_each_stands_once() {
        let names: BTreeSet<_> = PERMISSIONS.iter().map(|permission| permission.name).collect();
        assert_eq!(names.len(), PERMISSIONS.len());
        for name in names {
            let methods = ["get", "post", "put", "delete"];
            assert!(methods.contains(&name.rsplit('.').next().unwrap()), "{name}");
            assert!(name.starts_with("event-gateway."), "{name}");
        }
    }

    #[test]
    fn a_set_has_its_permissions_and_no_name_has_another_one() {
        let (own, any) = ("event-gateway.domain-events.item.get", GetEvent::PERMISSION);
        let for_all = any.for_all_tenants();
        assert_eq!(for_all, "event-gateway.all-tenants.domain-events.item.get");
        for (names, has, has_for_all) in [
            (&[own][..], true, false),
            (&[ALL], true, false),
            (&[&for_all], false, true),
            (&[ALL_OF_ALL_TENANTS], false, true),
            (&["x", &for_all, own], true, true),
            (&[], false, false),
            (&["event-gateway.domain-events.item.GET"], false, false),
            (&["event-gateway.domain-events.item.get "], false, false),
            (&["event-gateway.domain-events.item"], false, false),
            (&["event-gateway.*", "*", "event-gateway.", "all"], false, false),
            (&["event-gateway.domain-events.collection.get"], false, false),
        ] {
            let permissions = listed(names);
            let found = (permissions.have(&any), permissions.have_for_all_tenants(&any));
            assert_eq!(found, (has, has_for_all), "{names:?}");
        }
        let checked = Permissions::CheckedBefore;
        assert!(checked.have(&GetMetrics::PERMISSION));
        assert!(!checked.have_for_all_tenants(&GetMetrics::PERMISSION));
    }
}
