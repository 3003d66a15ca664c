//! `subscriptions`: lists the groups that follow the logs over HTTP, and makes, moves and removes
//! them.
//!
//! It may run while replicas run: a reader notices at once.

use std::io::Write;

use anyhow::anyhow;

use crate::domain::subscription::{Form, Group, Start};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::store::{FoundSubscription, Store};
use crate::subscribe::{Groups, Put};

/// One group of a tenant.
pub struct Named<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The group.
    pub group: &'a Group,
}

/// Prints a line for each subscription of a tenant, or of all.
pub async fn list(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<()> {
    if let Some(tenant) = tenant {
        super::log_of(store, tenant).await?;
    }
    let mut out = super::stdout();
    let [tenants, groups] = ["TENANT", "GROUP"];
    writeln!(
        out,
        "{tenants:<24}{groups:<32}{:>12}{:>10}{:>10}  READER",
        "POSITION", "LAG", "SECONDS"
    )?;
    for (found, lag) in store.list_subscriptions(tenant).await? {
        let (tenant, group) = (found.tenant.as_str(), found.group.as_str());
        let reader = found.subscription.holder(found.now);
        writeln!(
            out,
            "{tenant:<24}{group:<32}{:>12}{:>10}{:>10}  {}",
            found.subscription.position.number(),
            lag.events,
            lag.oldest.as_secs(),
            reader.map_or("-", |lease| &lease.reader)
        )?;
    }
    Ok(())
}

/// Prints a subscription as JSON.
pub async fn show(groups: Groups<'_>, Named { tenant, group }: Named<'_>) -> anyhow::Result<()> {
    super::log_of(groups.store, tenant).await?;
    print(&groups.find(tenant, group).await?)
}

/// Makes a subscription, or gives an existing one another form.
pub async fn put(
    groups: Groups<'_>,
    Named { tenant, group }: Named<'_>,
    form: &Form,
    start: Start,
) -> anyhow::Result<()> {
    super::log_of(groups.store, tenant).await?;
    let form = form.clone().checked().map_err(|all| {
        let told: Vec<_> = all.iter().map(ToString::to_string).collect();
        anyhow!("{}", told.join("; "))
    })?;
    let by = super::act(Act::PutSubscription, tenant).on(group);
    let (put, found) = groups.put(tenant, group, &form, start, &by).await?;
    if put == Put::Kept && start != Start::Earliest {
        eprintln!("{group} exists, and stays where it stands; `subscriptions seek` moves it");
    }
    if let Some(warning) = groups.warning(tenant, &form.filter).await? {
        tracing::warn!("{warning}");
    }
    print(&found)
}

/// Moves a group, while nobody reads for it.
pub async fn seek(
    groups: Groups<'_>,
    Named { tenant, group }: Named<'_>,
    to: Start,
) -> anyhow::Result<()> {
    super::log_of(groups.store, tenant).await?;
    let by = super::act(Act::SeekSubscription, tenant).on(group);
    print(&groups.seek(tenant, group, to, &by).await?)
}

/// Removes a subscription.
pub async fn delete(groups: Groups<'_>, Named { tenant, group }: Named<'_>) -> anyhow::Result<()> {
    super::log_of(groups.store, tenant).await?;
    let by = super::act(Act::DeleteSubscription, tenant).on(group);
    Ok(groups.remove(tenant, group, &by).await?)
}

fn print(found: &FoundSubscription) -> anyhow::Result<()> {
    let FoundSubscription { tenant, group, subscription, now, .. } = found;
    let mut shown = subscription.form.to_json();
    let reader = subscription.holder(*now).map(|lease| lease.reader.as_str());
    let went_back_from = subscription.went_back_from.map(|position| position.number());
    for (name, value) in [
        ("tenant", tenant.as_str().into()),
        ("group", group.as_str().into()),
        ("position", subscription.position.number().into()),
        ("gapsTo", subscription.gaps_to.to_json()),
        ("generation", subscription.generation.into()),
        ("reader", reader.into()),
        ("wentBackFrom", went_back_from.into()),
    ] {
        shown[name] = value;
    }
    writeln!(super::stdout(), "{shown:#}")?;
    Ok(())
}
