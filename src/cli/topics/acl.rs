//! `topics acl`: the rights that the gateway's user needs in Kafka, and those of a consumer group.

use std::io::Write;

use serde_json::json;

use super::Form;
use crate::domain::settings::Settings;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::follow::topics::acl::{self, Acl, Acts, Names, Resource};
use crate::store::Store;

/// The user whose rights are printed.
pub struct Holder<'a> {
    /// The principal, such as `User:gateway`.
    pub principal: &'a str,
    /// The tenant whose topics they are for; `None` for all that the store has.
    pub tenant: Option<&'a TenantId>,
    /// The consumer group; `None` for the gateway itself.
    pub group: Option<&'a Group>,
    /// The acts of the gateway.
    pub acts: Acts,
}

/// Prints the rights: the commands that grant them at this broker, or JSON.
pub async fn run(
    store: &dyn Store,
    settings: &Settings,
    holder: &Holder<'_>,
    broker: &str,
    form: Form,
) -> anyhow::Result<()> {
    let tenants: Vec<_> = super::super::logs(store, holder.tenant).await?;
    let tenants: Vec<_> = tenants.into_iter().map(|log| log.tenant).collect();
    let all = match (holder.group, holder.tenant) {
        (Some(group), Some(tenant)) => acl::of_consumer(settings, tenant, group),
        _ => acl::of_gateway(settings, &tenants, holder.acts),
    };
    let mut out = super::super::stdout();
    for acl in all {
        match form {
            Form::Text => writeln!(out, "{}", command(&acl, holder.principal, broker))?,
            Form::Json => writeln!(out, "{}", as_json(&acl, holder.principal))?,
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
        "kafka-acls.sh --bootstrap-server {broker} --add --allow-principal '{principal}'\
         {operations} --resource-pattern-type {pattern} --{resource} {name}"
    )
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
