//! `topics acl`: the rights that the gateway's user needs in Kafka, and those of a consumer group.

use std::io::Write;

use serde_json::json;

use super::Form;
use crate::domain::settings::Settings;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::follow::topics::acl::{self, Acl, AclSet, Names, Resource};

/// The user whose rights are printed.
pub struct Holder<'a> {
    /// The principal, such as `User:gateway`; without one, it is named like the group.
    pub principal: Option<&'a str>,
    /// The tenants whose topics they are for, whether or not the store has them.
    pub tenants: &'a [TenantId],
    /// The consumer group of the one tenant; `None` for the gateway itself.
    pub group: Option<&'a Group>,
    /// The ACLs that the gateway itself gets.
    pub set: AclSet,
}

/// Prints the rights: the commands that grant them at the address of this broker, or JSON.
pub fn run(
    settings: &Settings,
    holder: &Holder<'_>,
    broker: Option<String>,
    form: Form,
) -> anyhow::Result<()> {
    let user = holder.group.map_or("event-gateway".to_owned(), ToString::to_string);
    let principal = holder.principal.map_or_else(|| format!("User:{user}"), str::to_owned);
    let broker = broker.unwrap_or_else(|| "HOST:PORT".to_owned());
    let all = match (holder.group, holder.tenants) {
        (Some(group), [tenant]) => acl::of_consumer(settings, tenant, group),
        _ => acl::of_gateway(settings, holder.tenants, holder.set),
    };
    let mut out = super::super::stdout();
    for acl in all {
        match form {
            Form::Text => writeln!(out, "{}", command(&acl, &principal, &broker))?,
            Form::Json => writeln!(out, "{}", as_json(&acl, &principal))?,
        }
    }
    Ok(())
}

fn parts(acl: &Acl) -> (&'static str, &'static str, &str) {
    let resource = match acl.resource {
        Resource::Topic => "topic",
        Resource::Group => "group",
        Resource::TransactionalId => "transactional-id",
    };
    match &acl.names {
        Names::Literal(name) => (resource, "literal", name),
        Names::Prefixed(name) => (resource, "prefixed", name),
    }
}

fn command(acl: &Acl, principal: &str, broker: &str) -> String {
    let (resource, pattern, name) = parts(acl);
    let operations: String = acl.operations.iter().map(|it| format!(" --operation {it}")).collect();
    format!(
        "kafka-acls.sh --bootstrap-server {broker} --command-config admin.properties --add \
         --allow-principal {}{operations} --resource-pattern-type {pattern} --{resource} {name}",
        quoted(principal)
    )
}

/// Returns the text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn as_json(acl: &Acl, principal: &str) -> serde_json::Value {
    let (resource, pattern, name) = parts(acl);
    json!({
        "principal": principal,
        "resource": resource,
        "pattern": pattern,
        "name": name,
        "operations": acl.operations,
    })
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_principal_is_one_word_of_a_shell() {
        assert_eq!(quoted("User:gateway"), "'User:gateway'");
        assert_eq!(quoted("User:O'Brien $x"), r"'User:O'\''Brien $x'");
    }
}
