//! The rights that Kafka's authorizer must grant: those of the gateway's user, and those of a
//! consumer group of a tenant.
//!
//! `topics acl` prints them. They follow from the settings and the tenants' ids; Kafka is not
//! asked.

use std::collections::BTreeSet;

use crate::domain::settings::Settings;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// A kind of resource, by the option of `kafka-acls.sh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Topics.
    Topic,
    /// Consumer groups.
    Group,
    /// Transactional ids.
    TransactionalId,
}

/// The names that a right is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// One name.
    Literal(String),
    /// All names that begin so.
    Prefixed(String),
}

/// Rights on resources of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The kind of the resources.
    pub resource: Resource,
    /// The names of the resources.
    pub names: Names,
    /// The operations, by their names in Kafka. Each of them includes the right to describe.
    pub operations: Vec<&'static str>,
}

/// The ACLs of the gateway's user, by what it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclSet {
    /// Everything that `serve`, `audit` and `restore` do.
    Serve,
    /// The changes too that `topics` and `lanes resize` make.
    Manage,
}

const SERVE: [&str; 4] = ["Create", "DescribeConfigs", "Read", "Write"];
const MANAGE: [&str; 3] = ["Alter", "AlterConfigs", "Delete"];

/// Returns the rights that the gateway needs for the topics of these tenants: those that the files
/// name, those that they named before, and the targets of replays.
pub fn of_gateway(
    settings: &Settings,
    tenants: &[TenantId],
    former: &BTreeSet<Topic>,
    set: AclSet,
) -> Vec<Acl> {
    let naming = settings.naming();
    let more = if set == AclSet::Manage { &MANAGE[..] } else { &[] };
    let operations = [&SERVE[..], more].concat();
    let mut names = topics(settings, tenants);
    names.extend(tenants.iter().map(|tenant| Names::Prefixed(naming.own_prefix(tenant))));
    names.extend(former.iter().map(|topic| Names::Literal(topic.to_string())));
    let mut all = granted(names, &operations);
    let more = if set == AclSet::Manage { &MANAGE[..1] } else { &[] };
    all.push(Acl {
        resource: Resource::Topic,
        names: Names::Literal(naming.own("cursors")),
        operations: [&SERVE[..], more].concat(),
    });
    all.push(Acl {
        resource: Resource::TransactionalId,
        names: Names::Prefixed(naming.own("lane-")),
        operations: vec!["Write"],
    });
    all
}

/// Returns the rights that a consumer group needs to read the topics of a tenant.
pub fn of_consumer(settings: &Settings, tenant: &TenantId, group: &Group) -> Vec<Acl> {
    let mut all = granted(topics(settings, std::slice::from_ref(tenant)), &["Read"]);
    all.push(Acl {
        resource: Resource::Group,
        names: Names::Literal(group.to_string()),
        operations: vec!["Read"],
    });
    all
}

/// Returns the names of all topics that begin with a tenant's prefix, and of each of its topics
/// that does not.
fn topics(settings: &Settings, tenants: &[TenantId]) -> BTreeSet<Names> {
    let mut names = BTreeSet::new();
    for tenant in tenants {
        let prefix = settings.naming().prefix(tenant);
        let of_tenant = settings.specs(tenant).into_iter().map(|spec| spec.topic);
        let others = of_tenant.filter(|topic| !topic.as_str().starts_with(&prefix));
        names.extend(others.map(|topic| Names::Literal(topic.to_string())));
        names.insert(Names::Prefixed(prefix));
    }
    names
}

/// Returns rights on topics, without those that a prefix grants already.
fn granted(names: BTreeSet<Names>, operations: &[&'static str]) -> Vec<Acl> {
    let prefixes: Vec<_> = names
        .iter()
        .filter_map(|names| match names {
            Names::Prefixed(prefix) => Some(prefix.clone()),
            Names::Literal(_) => None,
        })
        .collect();
    let is_granted = |name: &str| prefixes.iter().any(|prefix| name.starts_with(&**prefix));
    let needed = |names: &Names| !matches!(names, Names::Literal(name) if is_granted(name));
    let acl = |names| Acl { resource: Resource::Topic, names, operations: operations.to_vec() };
    names.into_iter().filter(needed).map(acl).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{AclSet, Names, Resource, of_consumer, of_gateway};
    use crate::domain::settings::{Settings, TenantSettings};
    use crate::domain::subscription::Group;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::{Naming, Topic};

    #[test]
    fn a_tenant_s_prefix_is_that_of_no_other_and_a_consumer_only_reads() {
        let (settings, diku) = (Settings::default(), TenantId::parse("diku").unwrap());
        let group = Group::parse("cg.search").unwrap();
        let all = of_consumer(&settings, &diku, &group);
        let names: Vec<_> = all.iter().map(|acl| (acl.resource, &acl.names)).collect();
        let wanted = [
            (Resource::Topic, &Names::Prefixed("diku.".to_owned())),
            (Resource::Group, &Names::Literal("cg.search".to_owned())),
        ];
        assert_eq!(names, wanted);
        assert!(all.iter().all(|acl| acl.operations == ["Read"]));
    }

    #[test]
    fn former_topics_and_targets_of_replays_have_rights_too() {
        let naming = Naming::new(Some("folio"), Some("ALL")).unwrap();
        let settings = Settings::new(naming, TenantSettings::default(), [].into()).unwrap();
        let diku = [TenantId::parse("diku").unwrap()];
        let former = ["folio.Default.diku.DI_X", "folio.diku.inventory.old"];
        let former = former.map(|topic| Topic::parse(topic).unwrap()).into();
        let all = of_gateway(&settings, &diku, &former, AclSet::Manage);
        let of_topics = all.iter().filter(|acl| acl.operations.contains(&"Delete"));
        let names: Vec<_> = of_topics.map(|acl| acl.names.clone()).collect();
        let wanted = [
            Names::Literal("folio.Default.diku.DI_X".to_owned()),
            Names::Prefixed("folio.ALL.".to_owned()),
            Names::Prefixed("folio.diku.".to_owned()),
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn the_gateway_may_alter_and_delete_only_if_that_is_asked_for() {
        let (settings, diku) = (Settings::default(), TenantId::parse("diku").unwrap());
        let operations = |set| {
            let tenants = std::slice::from_ref(&diku);
            let all = of_gateway(&settings, tenants, &BTreeSet::new(), set);
            all.into_iter().flat_map(|acl| acl.operations).collect::<Vec<_>>()
        };
        for operation in ["Alter", "AlterConfigs", "Delete"] {
            assert!(!operations(AclSet::Serve).contains(&operation), "{operation}");
            assert!(operations(AclSet::Manage).contains(&operation), "{operation}");
        }
    }
}
