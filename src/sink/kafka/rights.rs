//! The rights that Kafka's authorizer checks: an error of a call that it refuses names the one that
//! is missing.

use std::fmt;

/// A right, by the name that Kafka's tools have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Alter,
    AlterConfigs,
    Create,
    Delete,
    Describe,
    DescribeConfigs,
    Read,
    Write,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Adds to a cause which right on a topic the gateway's user lacks.
pub(super) fn lacking(why: &str, right: Right, topic: &str) -> String {
    lacking_on(why, right, &format!("topic `{topic}`"))
}

/// Adds to a cause which right the gateway's user lacks on a resource.
pub(super) fn lacking_on(why: &str, right: Right, resource: &str) -> String {
    let command = match right {
        Right::Alter | Right::AlterConfigs | Right::Delete => "topics acl --manage",
        _ => "topics acl",
    };
    format!(
        "{why}: the gateway's user lacks the right {right} on the {resource} (`{command}` prints \
         all that it needs)"
    )
}
