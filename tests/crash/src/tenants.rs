//! The tenants of a run: their entities, the settings of these, and who follows which topics.

use crate::evidence::Policy;
use crate::story::Rules;
use crate::subscribers::Habit;
use crate::{documents, load};

/// The `ENV` of a run.
pub const ENV: &str = "crash";
/// The tenants of a run.
pub const TENANTS: [&str; 4] = ["diku", "college", "university", "consortium"];
/// The tenant that comes, posts and is purged, again and again.
pub const VISITOR: &str = "visitor";
/// The entities whose events leave the log meanwhile, and the one whose DELETE_ALLs are expanded.
pub const RULES: Rules = Rules {
    compacted: Some("item"),
    expiring: Some("holdings-record"),
    unstored: Some("note"),
    expanded: Some("item"),
};
/// The entities that get a DELETE_ALL now and then.
pub const DELETED: [&str; 2] = ["instance", "item"];
/// The time for which the log keeps the events of the one that expires.
const EXPIRES_MS: u64 = 20_000;
/// The partitions of each topic.
pub const PARTITIONS: usize = 3;
/// Several partitions of each topic, the rules of some entities, and hexkit's service.
pub fn settings() -> String {
    settings_of(PARTITIONS)
}

/// The same, with so many partitions of each topic.
pub fn settings_of(partitions: usize) -> String {
    format!("[hexkit]\nservice_name = \"{}\"\n\n{}", documents::SERVICE, rules(partitions))
}

/// Several partitions of each topic, and the rules of some entities.
pub fn listened_settings() -> String {
    rules(PARTITIONS)
}

fn rules(partitions: usize) -> String {
    let of = |entity: &'static str| {
        let rules = [
            (RULES.compacted, "compacted = true\n".to_owned()),
            (RULES.expanded, "delete_all = \"expand\"\n".to_owned()),
            (RULES.expiring, format!("log_retention_ms = {EXPIRES_MS}\n")),
            (RULES.unstored, "stored = false\n".to_owned()),
        ];
        let its = rules.into_iter().filter(|(of, _)| *of == Some(entity)).map(|(_, text)| text);
        let its: String = its.collect();
        format!("[entities.\"inventory.{entity}\"]\npartitions = {partitions}\n{its}")
    };
    load::entities().into_iter().chain(RULES.unstored).map(of).collect()
}

/// The groups of subscribers: one of all that a tenant's log has, and one of another tenant whose
/// topics lose nothing to retention, so that it may go back.
pub fn groups() -> [(&'static str, Habit, Vec<String>); 2] {
    let [gone, back] = [TENANTS[0], TENANTS[1]];
    [
        (gone, Habit::IsGone, topics_of(gone, &load::entities())),
        (back, Habit::SeeksBack, topics_of(back, &DELETED)),
    ]
}

/// The groups with a handler, one of each failure policy. All get DELETE_ALLs, which concern every
/// key, and the last two have a tenant in common.
pub fn handled() -> [(&'static str, Policy, Vec<String>); 3] {
    let [stops, others] = [TENANTS[2], TENANTS[3]];
    [
        (stops, Policy::Stop, topics_of(stops, &DELETED)),
        (others, Policy::Park, topics_of(others, &load::entities())),
        (others, Policy::OutOfOrder, topics_of(others, &DELETED)),
    ]
}

fn topics_of(tenant: &str, entities: &[&str]) -> Vec<String> {
    entities.iter().map(|entity| format!("{ENV}.{tenant}.inventory.{entity}")).collect()
}

/// Returns the topics of the entities that the readers follow.
pub fn topics() -> Vec<String> {
    let of = |tenant| load::entities().map(|entity| format!("{ENV}.{tenant}.inventory.{entity}"));
    TENANTS.into_iter().flat_map(of).collect()
}
