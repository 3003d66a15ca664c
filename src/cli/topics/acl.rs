//! `topics acl`: the rights that the gateway's user needs in Kafka, and those of a consumer group.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::deps;
use crate::cli::output::{OutputOptions, say};
use crate::clock::Clock;
use crate::config::{self, Illegal, TopicsOptions};
use crate::domain::settings::Settings;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::topics::acl::{self, Acl, AclSet, Names, Resource};
use crate::follow::topics::each_noted;
use crate::sink;
use crate::store::Store;

/// Options of `topics acl`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant whose topics they are for, enabled or not; without one, all tenants that are
    /// enabled or have a file.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The consumer group that reads the tenant's topics, such as cg.search; without one, the
    /// rights are the gateway's.
    #[arg(long, value_parser = Group::parse, requires = "tenant")]
    pub group: Option<Group>,
    /// The principal, as Kafka knows it. The default is User: and the group, or event-gateway.
    #[arg(long)]
    pub principal: Option<String>,
    /// Adds the rights to change and delete topics; `topics apply`, `grow` and `obsolete --delete`
    /// need them, and `lanes resize`.
    #[arg(long, conflicts_with = "group")]
    pub manage: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Prints the rights: the commands that grant them at the broker's address, or JSON.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let Options { tenant, group, principal, manage, topics, .. } = options;
    let settings = config::settings(&topics.tenants, &topics.store)?;
    let (tenants, former) = match tenant {
        // Its rights are granted before it is enabled, and perhaps before there is a store.
        Some(tenant) => (vec![tenant.clone()], BTreeSet::new()),
        None => of_store(&*deps::attached(&topics.store, clock).await?, &settings).await?,
    };
    let user = group.as_ref().map_or("event-gateway".to_owned(), ToString::to_string);
    let principal = principal.clone().unwrap_or_else(|| format!("User:{user}"));
    let sinks = config::sinks(&topics.kafka, &topics.store, 1)?;
    let sinks = sink::open(&sinks).map_err(Illegal::new)?;
    let broker = sinks.broker().map_or_else(|| "HOST:PORT".to_owned(), |kafka| kafka.place());
    let all = match (group, &*tenants) {
        (Some(group), [tenant]) => acl::of_consumer(&settings, tenant, group),
        _ => {
            let set = if *manage { AclSet::Manage } else { AclSet::Serve };
            acl::of_gateway(&settings, &tenants, &former, set)
        }
    };
    for acl in all {
        let command = command(&acl, &principal, &broker);
        say(options.output.form, command, &as_json(&acl, &principal))?;
    }
    Ok(())
}

/// Returns the tenants that are enabled, have a file or are being purged, and the topics that the
/// store knows of them.
async fn of_store(
    store: &dyn Store,
    settings: &Settings,
) -> anyhow::Result<(Vec<TenantId>, BTreeSet<Topic>)> {
    let mut tenants: BTreeSet<_> = super::tenants(store, settings).await?.into_iter().collect();
    tenants.extend(store.purges().await?.into_iter().map(|purge| purge.tenant));
    let mut topics = BTreeSet::new();
    each_noted(store, |noted| {
        if tenants.contains(&noted.tenant) {
            topics.insert(noted.topic);
        }
    })
    .await?;
    Ok((tenants.into_iter().collect(), topics))
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
